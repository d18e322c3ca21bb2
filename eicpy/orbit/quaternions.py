"""Rotations as quaternions (scalar, x, y, z) of unit norm, arrays of shape (…, 4).

The quaternion of a matrix R is the one of Shuster 1993 (Journal of the Astronautical Sciences 41, 439) and of
``scipy.spatial.transform.Rotation``: R·v = q·v·q̄, and R(a)·R(b) is that of a·b. Between two rotations
the way is the shortest one, at a constant rate (Shoemake 1985, SIGGRAPH 19, 245).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.typing import FloatArray

__all__ = ["conjugate", "from_matrix", "from_rotation_vector", "multiply", "slerp", "to_matrix", "turn"]


def multiply(a: FloatArray, b: FloatArray) -> FloatArray:
    """Product of quaternions: the rotation `b` first, then `a`."""
    a0, a1, a2, a3 = np.moveaxis(np.asarray(a), -1, 0)
    b0, b1, b2, b3 = np.moveaxis(np.asarray(b), -1, 0)
    return np.stack(
        [
            a0 * b0 - a1 * b1 - a2 * b2 - a3 * b3,
            a0 * b1 + a1 * b0 + a2 * b3 - a3 * b2,
            a0 * b2 - a1 * b3 + a2 * b0 + a3 * b1,
            a0 * b3 + a1 * b2 - a2 * b1 + a3 * b0,
        ],
        axis=-1,
    )


def conjugate(q: FloatArray) -> FloatArray:
    """The reverse rotation."""
    return np.asarray(q * np.array([1.0, -1.0, -1.0, -1.0]))


def to_matrix(q: FloatArray) -> FloatArray:
    """Rotation matrices, shape (…, 3, 3)."""
    w, x, y, z = np.moveaxis(np.asarray(q, np.float64), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def from_matrix(r: FloatArray) -> FloatArray:
    """Quaternions of rotation matrices, scalar ≥ 0, shape (…, 4)."""
    r = np.asarray(r, np.float64)
    t = [r[..., n, n] for n in range(3)]
    differences = [r[..., 2, 1] - r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0], r[..., 1, 0] - r[..., 0, 1]]
    sums = [r[..., 0, 1] + r[..., 1, 0], r[..., 0, 2] + r[..., 2, 0], r[..., 1, 2] + r[..., 2, 1]]
    rows = [  # 4·q·qᵀ: each row is the quaternion times one of its parts
        [1 + t[0] + t[1] + t[2], differences[0], differences[1], differences[2]],
        [differences[0], 1 + t[0] - t[1] - t[2], sums[0], sums[1]],
        [differences[1], sums[0], 1 - t[0] + t[1] - t[2], sums[2]],
        [differences[2], sums[1], sums[2], 1 - t[0] - t[1] + t[2]],
    ]
    products = np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
    largest = np.diagonal(products, axis1=-2, axis2=-1).argmax(axis=-1)  # the one whose division is safest
    q = np.take_along_axis(products, largest[..., None, None], axis=-2)[..., 0, :]
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    return np.asarray(np.where(q[..., :1] >= 0, q, -q))


def from_rotation_vector(vector: npt.ArrayLike) -> FloatArray:
    """Quaternions of rotations about an axis by the length of the vector, radians; shape (…, 3) to (…, 4)."""
    v = np.asarray(vector, np.float64)
    half = np.linalg.norm(v, axis=-1, keepdims=True) / 2
    return np.concatenate([np.cos(half), v / 2 * np.sinc(half / np.pi)], axis=-1)


def turn(a: FloatArray, b: FloatArray) -> Any:
    """Angle of the rotation that leads from `a` to `b`, radians in [0, π]."""
    q = multiply(b, conjugate(a))
    return (2 * np.arctan2(np.linalg.norm(q[..., 1:], axis=-1), np.abs(q[..., 0])))[()]


def slerp(a: FloatArray, b: FloatArray, share: npt.ArrayLike) -> FloatArray:
    """The rotation so much of the way from `a` to `b`, about one axis, the shorter way.

    Parameters
    ----------
    a, b
        Shape (…, 4).
    share
        0 for `a`, 1 for `b`; shape (…).
    """
    share = np.asarray(share, np.float64)[..., None]
    dot = (a * b).sum(axis=-1, keepdims=True)
    b = np.where(dot < 0, -b, b)
    chord = [np.linalg.norm(v, axis=-1, keepdims=True) for v in (b - a, b + a)]
    angle = 2 * np.arctan2(*chord)  # between the quaternions: half that of the rotation
    sine = np.sin(angle)
    near = sine < 1e-8
    safe = np.where(near, 1.0, sine)
    first = np.where(near, 1 - share, np.sin((1 - share) * angle) / safe)
    second = np.where(near, share, np.sin(share * angle) / safe)
    q = first * a + second * b
    return np.asarray(q / np.linalg.norm(q, axis=-1, keepdims=True))
