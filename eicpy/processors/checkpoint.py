"""What a processor needs to resume where it stopped, written as one file, whole or not at all.

The cursor, the sizes of the outputs and the processor's own state belong together: they are of one moment.
"""

from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    field_validator,
)
from pydantic_core import PydanticSerializationError

from eicpy.errors import BadDataError, FailedError
from eicpy.files import atomic_file
from eicpy.processors.outputs import is_output_name
from eicpy.runs.provider.cursor import Cursor

__all__ = ["Checkpoint"]

NAME = "checkpoint.json"


class Checkpoint(BaseModel):
    """A state from which a processor can resume."""

    # A processor finds in its state what it left there: NaN is NaN, not null.
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")

    cursor: Cursor
    """All packets before it were processed."""
    run: PositiveInt | None = None
    """The run that was begun and has not ended."""
    packets: NonNegativeInt = 0
    """Processed so far."""
    outputs: dict[str, NonNegativeInt] = {}
    """Bytes of each output file."""
    state: dict[str, Any] = {}
    """The processor's own."""

    @field_validator("cursor")
    @classmethod
    def _is_a_position(cls, cursor: Cursor) -> Cursor:
        if cursor.run < 0 or cursor.offset < 0:
            raise ValueError(f"got {cursor}, expected numbers from 0")
        return cursor

    @field_validator("outputs")
    @classmethod
    def _are_outputs(cls, sizes: dict[str, int]) -> dict[str, int]:
        """Only names that an output can have: files are cut to these sizes."""
        for name in sizes:
            if not is_output_name(name):
                raise ValueError(f"got output {name!r}, expected the name of a file, without a folder")
        return sizes

    def write(self, folder: Path) -> None:
        """Write it, replacing the one before.

        Raises
        ------
        FailedError
            If it could not be written; then the one before is still there.
        """
        try:
            text = self.model_dump_json(indent=1)
        except PydanticSerializationError as error:
            raise FailedError(
                f"the state of the processor cannot be saved: {error}; expected numbers, texts, lists and "
                "dicts of Python itself"
            ) from error
        with atomic_file(folder / NAME) as file:
            file.write(text.encode())

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
                f"got no readable checkpoint: {_reason(error)}", file=file, advice="start over with --again"
            ) from error


def _reason(error: ValidationError | OSError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "; ".join(": ".join([*map(str, e["loc"]), e["msg"]]) for e in error.errors())
