"""What a processor is given besides its packets: the set-up, its parameters, state, outputs and status."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eicpy.errors import BadArgumentError
from eicpy.instruments import Instrument
from eicpy.processors.outputs import Output, Outputs
from eicpy.runs import RunArchive
from eicpy.settings import Settings

__all__ = ["Context"]


@dataclass
class Context:
    """The context of a processor.

    Parameters
    ----------
    name
        Its name on the monitor.
    instrument
        Describes the packets.
    settings
        The set-up.
    archive
        Where the runs are.
    parameters
        Its own parameters.
    mode
        ``next`` or ``last``.
    restarts
        How often it was started again after a crash.
    state
        What it remembers, as JSON: saved together with the cursor and the outputs.
    outputs
        See :meth:`output`.

    See Also
    --------
    run_processor : gives it to a processor.
    """

    name: str
    instrument: Instrument
    settings: Settings
    archive: RunArchive
    parameters: Mapping[str, Any]
    mode: str
    restarts: int
    state: dict[str, Any]
    outputs: Outputs
    run: int | None = None
    """Number of the run whose packets are being processed."""
    reported: dict[str, float | str] = field(default_factory=dict)
    """What was reported with :meth:`report`."""
    save_wanted: bool = False
    """See :meth:`save_soon`."""

    @property
    def folder(self) -> Path:
        """Folder of its output files."""
        return self.outputs.folder

    def report(self, **values: float | str) -> None:
        """Show values on the monitor, each under its name, until they are reported again.

        Parameters
        ----------
        **values
            Numbers or texts.

        Raises
        ------
        BadArgumentError
            For anything else.
        """
        for name, value in values.items():
            if isinstance(value, str):
                self.reported[name] = value[:1000]
                continue
            try:
                number = value.item() if hasattr(value, "item") else value
                self.reported[name] = int(number) if isinstance(number, int) else float(number)
            except (TypeError, ValueError) as error:
                raise BadArgumentError(
                    f"got {name}={value!r} to report, expected a number or a text"
                ) from error

    def save_soon(self) -> None:
        """Ask for a checkpoint after the current batch, before its time."""
        self.save_wanted = True

    def output(self, name: str) -> Output:
        """A file to append to that always agrees with the cursor.

        What is appended counts when the cursor is saved; a processor that is killed is given the packets
        since then again, and the file is cut back: at the end it holds what every packet gave, once.

        Parameters
        ----------
        name
            Name of the file in :attr:`folder`.
        """
        return self.outputs.open(name)
