"""Sizes of a coded mask and of the plane below it, as a description states them."""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["MaskGeometry"]


class MaskGeometry(BaseModel):
    """A coded mask of square cells above a square detector plane, both centred on the line of sight."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    side: float = Field(gt=0)
    """Side of the mask, cm."""
    distance: float = Field(gt=0)
    """From the plane to the mask, cm."""
    plane_side: float = Field(gt=0)
    """Side of the detector plane, cm."""
    pixel_side: float = Field(gt=0)
    """Sensitive side of a pixel, cm."""
    cells: int = Field(gt=0)
    """Cells along a side."""
    open_fraction: float = Field(gt=0, lt=1)
    """Share of open cells."""
    sky_pixels: int = Field(gt=0)
    """Pixels along a side of the sky image made on board, one pitch of the plane each."""
    thickness: float = Field(default=0.0, ge=0)
    """Depth of the cells, cm; `distance` is to the middle of it. 0: a mask without depth."""
    absorber: float = Field(default=0.0, ge=0)
    """Tantalum that a closed cell puts in the way along the line of sight, cm; 0: opaque."""
    bars: int = Field(default=0, ge=0)
    """Opaque bars of the frame above the cells, along each axis, evenly spaced."""
    bar_width: float = Field(default=0.0, ge=0)
    """cm."""
    bar_height: float = Field(default=0.0, ge=0)
    """Above the upper face of the cells, cm."""
    note: str = ""
    """Where the figures come from, and what they are not."""

    @property
    def pixel_area(self) -> float:
        """Sensitive area of a pixel, cm²."""
        return round(self.pixel_side**2, 12)

    @property
    def edge(self) -> float:
        """Tangent of the angle, along one axis, beyond which the plane is not lit through the mask."""
        return (self.side + self.plane_side) / 2 / self.distance
