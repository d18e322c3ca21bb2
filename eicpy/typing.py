"""Types of arrays, named once."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "AnyArray",
    "BoolArray",
    "ByteArray",
    "FloatArray",
    "IndexArray",
    "Int16Array",
    "Int32Array",
    "IntArray",
    "IntegerArray",
    "UInt32Array",
    "UInt64Array",
]

AnyArray = npt.NDArray[Any]
BoolArray = npt.NDArray[np.bool_]
ByteArray = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.signedinteger[Any]]
Int16Array = npt.NDArray[np.int16]
Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.int64]
IntegerArray = npt.NDArray[np.integer[Any]]
UInt32Array = npt.NDArray[np.uint32]
UInt64Array = npt.NDArray[np.uint64]
