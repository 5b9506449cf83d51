"""Heads that turn: poses applied to faces that speak, for films.

Turning is a matter of rendering alone: no measure sees the pivot.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from said.corpus import FRAME_RATE as FACE_RATE
from said.headpose.clips import FRAME_RATE
from said.headpose.rotations import resample
from said.landmarks import LEFT_EAR, RIGHT_EAR
from said.rig import Rig
from said.running.shapes import shaped

FPS = 30
"""Frames per second of the films."""
_BELOW, _BEHIND = 0.25, 0.1  # the pivot, from the middle between the ears, in distances between them


def pivot(rig: Rig) -> NDArray[np.float64]:
    """(3,) the point about which a head turns: between the ears, then down to the neck and a little back.

    The source says nothing of it.

    Raises:
        ValueError: the rig has no landmarks.
    """
    if rig.landmarks is None:
        raise ValueError("a head turns about a point between its ears, and this rig has no landmarks")
    right, left = rig.template[rig.landmarks[[RIGHT_EAR, LEFT_EAR]]]
    width = np.linalg.norm(left - right)
    return (right + left) / 2 - width * np.array([0.0, _BELOW, _BEHIND])


@shaped
def turn(
    frames: Float[np.ndarray, "N V 3"], rotations: Float[np.ndarray, "N 3"], centre: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "N V 3"]:
    """Vertices, each frame turned about a point by its rotation vector in radians: c + R (v - c)."""
    matrices = Rotation.from_rotvec(np.asarray(rotations, np.float64)).as_matrix()
    return np.einsum("nij,nvj->nvi", matrices, frames - centre) + centre


def animate(rig: Rig, coefficients: NDArray[np.floating], rotations: NDArray[np.floating]) -> NDArray[np.float64]:
    """A face that speaks while its head moves.

    Args:
        rig: with landmarks.
        coefficients: (N, 32) at 60 frames per second.
        rotations: (T, 3) radians at 25 per second.

    Returns:
        (N // 2, V, 3) at `FPS`; frame n is at (n + 1/2) / 30 seconds.
    """
    every = FACE_RATE // FPS
    vertices = rig.move(coefficients[every // 2 :: every])
    return turn(vertices, resample(np.asarray(rotations, np.float64), FRAME_RATE, FPS, len(vertices)), pivot(rig))


def shown(index: pd.DataFrame, numbers: Sequence[int]) -> list[str]:
    """Test clips by number, counted from 0: speakers take turns, so that few clips are of many.

    Args:
        index: of the clips, see `said.headpose.clips.read_index`.

    Raises:
        ValueError: there is no such clip.
    """
    tests = index[index["split"] == "test"]
    turns = tests.assign(turn=tests.groupby("speaker").cumcount()).sort_values("turn", kind="stable")["clip"].tolist()
    for number in numbers:
        if number >= len(turns):
            raise ValueError(f"clip {number}: there are {len(turns)} test clips, counted from 0")
    return [turns[number] for number in numbers]
