"""What every part of a description is: checked, complete, unchangeable."""

from pydantic import BaseModel, ConfigDict

__all__ = ["DescriptionModel"]


class DescriptionModel(BaseModel):
    """A part of a detector's description; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
