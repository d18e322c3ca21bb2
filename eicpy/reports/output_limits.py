"""How much a notebook may leave in its report, and an engine of papermill that holds it to that.

A cell that prints in a loop leaves gigabytes, which no browser opens and no runner holds. Outputs are cut as
they arrive, so that memory does not grow either, and each cut is said in its place.
"""

from typing import Any, ClassVar

from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine

__all__ = ["ENGINE", "MOST_OUTPUT", "MOST_TEXT", "MOST_TOGETHER", "LimitedEngine"]

MOST_TEXT = 100_000
"""Characters that a cell may print, and characters of a traceback."""
MOST_OUTPUT = 16 << 20
"""Characters of one figure, table or image."""
MOST_TOGETHER = 64 << 20
"""Characters of all outputs of a notebook."""
ENGINE = "eicpy"
"""Name under which papermill knows the engine."""
IOPUB_SECONDS = 300
"""Time for outputs that are on the way when a cell has ended, s."""


class _LimitedClient(PapermillNotebookClient):  # type: ignore[misc] # papermill is untyped
    """Cuts messages of the kernel before they become outputs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._printed: dict[int, int] = {}
        self._kept = 0

    def process_message(
        self, msg: dict[str, Any], cell: NotebookNode, cell_index: int
    ) -> NotebookNode | None:
        """Take a message of the kernel in; None where it leaves no output."""
        content = msg["content"]
        match msg["msg_type"]:
            case "stream":
                content["text"] = self._cut_text(content["text"], cell_index)
                if not content["text"]:
                    return None
            case "display_data" | "execute_result" | "update_display_data":
                self._cut_data(content)
            case "error":
                content["evalue"] = _shortened(content["evalue"], MOST_TEXT // 10)
                content["traceback"] = [_shortened(line, MOST_TEXT) for line in content["traceback"]]
        made: NotebookNode | None = super().process_message(msg, cell, cell_index)
        return made

    def _cut_text(self, text: str, cell: int) -> str:
        room = MOST_TEXT - self._printed.get(cell, 0)
        self._printed[cell] = self._printed.get(cell, 0) + len(text)
        if len(text) <= room:
            return text
        return (
            text[:room] + f"\n… cut here: a report shows {MOST_TEXT} characters of a cell\n"
            if room > 0
            else ""
        )

    def _cut_data(self, content: dict[str, Any]) -> None:
        sizes = {kind: len(str(value)) for kind, value in content["data"].items()}
        size = sum(sizes.values())
        if max(sizes.values(), default=0) > MOST_OUTPUT or self._kept + size > MOST_TOGETHER:
            limit = f"{MOST_OUTPUT >> 20} MB each and {MOST_TOGETHER >> 20} MB together"
            words = f"An output of {size >> 20} MB was left out: a report shows at most {limit}."
            content["data"], content["metadata"] = {"text/plain": words}, {}
        else:
            self._kept += size


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… (cut: {len(text)} characters)"


class LimitedEngine(NBClientEngine):  # type: ignore[misc] # papermill is untyped
    """Runs a notebook as papermill does, with bounded outputs."""

    client: ClassVar[type[PapermillNotebookClient]] = _LimitedClient

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, start_timeout: int, execution_timeout: int, **options: Any
    ) -> Any:
        """Run a notebook.

        Parameters
        ----------
        nb_man
            papermill's manager of the notebook.
        kernel_name
            The kernel.
        start_timeout, execution_timeout
            Longest times for the start of the kernel, and for a cell, s.
        **options
            Of the client; those that are papermill's own are left out.
        """
        kept = {name: value for name, value in options.items() if name in cls.client.class_trait_names()}
        return cls.client(
            nb_man,
            kernel_name=kernel_name,
            timeout=execution_timeout,
            startup_timeout=start_timeout,
            iopub_timeout=IOPUB_SECONDS,
            **kept,
        ).execute()
