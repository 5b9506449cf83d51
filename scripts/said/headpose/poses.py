"""The contract of poses: a file of rotation vectors per method, whichever model wrote it."""

import numpy as np
from numpy.typing import NDArray

from said.files.arrays import read_arrays
from said.headpose.clips import FRAMES
from said.running.atomic import PathLike
from said.running.console import nearest

FARTHEST = np.pi / 2
"""Radians that no head turns from its mean."""


def read_poses(path: PathLike) -> dict[str, NDArray[np.float32]]:
    """The poses (S, 200, 3) of a method by clip, rotation vectors in radians at 25 per second; any model's file.

    Raises:
        ValueError: an array has another shape, holds values that are not finite, or turns farther than heads do.
        UnreadableError: the file is damaged.
    """
    poses = read_arrays(path)
    for clip, values in poses.items():
        try:
            check_poses(clip, values)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    return poses


def find_poses(path: PathLike, clip: str) -> NDArray[np.float32]:
    """The poses (S, 200, 3) of a method for one clip.

    Raises:
        ValueError: there are none, or see `read_poses`.
    """
    poses = read_poses(path)
    if clip not in poses:
        raise ValueError(f"{path}: holds no poses of {clip}{nearest(clip, poses)}")
    return poses[clip]


def check_poses(clip: str, values: NDArray) -> None:
    """Check that an array holds poses of a clip.

    Raises:
        ValueError: it has another shape, holds values that are not finite, or turns farther than heads do.
    """
    if values.ndim != 3 or values.shape[1:] != (FRAMES, 3) or not len(values):
        raise ValueError(f"{clip} has the shape {values.shape}, not (samples, {FRAMES}, 3)")
    if not np.isfinite(values).all():
        sample, frame = np.argwhere(~np.isfinite(values))[0][:2]
        raise ValueError(f"{clip} is not finite in sample {sample}, frame {frame}, counted from 0")
    farthest = float(np.linalg.norm(values, axis=2).max())
    if farthest > FARTHEST:
        raise ValueError(
            f"{clip} turns by {farthest:.3g} radians, and no head by more than {FARTHEST:.2f}; if these are degrees, "
            "multiply them by pi / 180"
        )
