"""What a processor must remember to go on where it stopped, written as one file, whole or not at all.

The cursor, the sizes of the outputs and the processor's own state belong together: they are of one moment.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from eicpy.acquisition.provider.cursor import Cursor
from eicpy.errors import BadDataError
from eicpy.products.atomic import atomic_file

__all__ = ["Checkpoint"]

NAME = "checkpoint.json"


class Checkpoint(BaseModel):
    """A moment from which a processor can go on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cursor: Cursor
    """All packets before it were processed."""
    run: int | None = None
    """The run that was begun and has not ended."""
    packets: int = 0
    """Processed so far."""
    outputs: dict[str, int] = {}
    """Bytes of each output file."""
    state: dict[str, Any] = {}
    """The processor's own."""

    def write(self, folder: Path) -> None:
        """Write it in place of the one before.

        Raises
        ------
        FailedError
            If it could not be written; then the one before is still there.
        """
        with atomic_file(folder / NAME) as file:
            file.write(self.model_dump_json(indent=1).encode())

    @classmethod
    def read(cls, folder: Path) -> "Checkpoint | None":
        """Read the last one; None where there is none yet.

        Raises
        ------
        BadDataError
            If it does not read.
        """
        file = folder / NAME
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            return None
        except (ValidationError, OSError) as error:
            raise BadDataError(
                f"got no readable checkpoint: {error}", file=file, advice="start over with --again"
            ) from error
