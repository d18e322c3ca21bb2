"""Pixel numbering: the one module that converts between a pixel's names.

ECLAIRs flight files number a pixel by (i, j): ``IDET`` = i is the row along +z, ``JDET`` = j is the
column along −y. In the line-of-sight frame the pixel sits at column y = (columns − 1) − j and row
z = i, origin at the bottom left, the shield at the bottom. ``detnum`` counts i·columns + j, from 0.
The flight formula of DETNUM is not public: this one is eicpy's.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from eicpy.errors import BadArgumentError

__all__ = ["PixelGrid"]


class PixelGrid(BaseModel):
    """A rectangular plane of pixels, made of rectangular modules, grouped in sectors.

    Examples
    --------
    >>> grid = PixelGrid(rows=80, columns=80, module_rows=8, module_columns=4, sectors=8)
    >>> grid.count, grid.modules
    (6400, 200)
    >>> grid.detnum(1, 2)
    82
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int = Field(gt=0)
    columns: int = Field(gt=0)
    module_rows: int = Field(gt=0)
    module_columns: int = Field(gt=0)
    sectors: int = Field(gt=0)

    @property
    def count(self) -> int:
        """Number of pixels."""
        return self.rows * self.columns

    @property
    def modules(self) -> int:
        """Number of modules."""
        return self.count // (self.module_rows * self.module_columns)

    def detnum(self, i: Any, j: Any) -> Any:
        """Pixel number of row i (``IDET``) and column j (``JDET``).

        Raises
        ------
        BadArgumentError
            For a row or a column that the plane does not have.
        """
        for name, value, count in (("row i", i, self.rows), ("column j", j, self.columns)):
            if np.any(np.less(value, 0)) or np.any(np.greater_equal(value, count)):
                raise BadArgumentError(
                    f"got {name} from {np.min(value)} to {np.max(value)}, expected 0 to {count - 1}"
                )
        row = i if isinstance(i, int) else np.asarray(i)
        if isinstance(row, np.ndarray) and row.dtype.kind in "iu":
            row = row.astype(np.int64)  # IDET of the files is a byte
        return row * self.columns + j

    def ij(self, detnum: Any) -> tuple[Any, Any]:
        """Row i (``IDET``) and column j (``JDET``) of a pixel number."""
        return detnum // self.columns, detnum % self.columns

    def yz(self, detnum: Any) -> tuple[Any, Any]:
        """Position in the line-of-sight frame: column y along +y, row z along +z."""
        i, j = self.ij(detnum)
        return self.columns - 1 - j, i

    def module(self, detnum: Any) -> Any:
        """Module of a pixel, numbered by rows of modules from (i, j) = (0, 0)."""
        i, j = self.ij(detnum)
        return (i // self.module_rows) * (self.columns // self.module_columns) + j // self.module_columns

    def sector(self, detnum: Any) -> Any:
        """Sector of a pixel: consecutive modules in equal shares (eicpy's own grouping)."""
        return self.module(detnum) * self.sectors // self.modules

    def image(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Values per pixel as a picture in the line-of-sight frame.

        Parameters
        ----------
        values
            Shape (..., count), in the order of ``detnum``.

        Returns
        -------
        numpy.ndarray
            Shape (..., rows, columns), indexed [z, y].
        """
        if values.shape[-1] != self.count:
            msg = f"got values for {values.shape[-1]} pixels, expected {self.count} (one per detnum)"
            raise ValueError(msg)
        return values.reshape(*values.shape[:-1], self.rows, self.columns)[..., ::-1]
