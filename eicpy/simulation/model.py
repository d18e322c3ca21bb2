"""What every part of a configuration is: checked, complete, unchangeable; kinds of numbers in it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Angles", "Declination", "Degrees", "Model"]

Degrees = Annotated[float, Field(ge=0, lt=360)]
Declination = Annotated[float, Field(ge=-90, le=90)]
Angles = tuple[float, float, float]


class Model(BaseModel):
    """A part of a configuration; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
