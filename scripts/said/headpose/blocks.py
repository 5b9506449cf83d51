"""Facial motion in blocks of 8 frames at 30 per second, 267 ms (supplement, Section 2.1, which says 27 ms)."""

import numpy as np
from jaxtyping import Float32, Real
from numpy.typing import NDArray

from said.baselines.resampling import positions
from said.corpus import FRAME_RATE
from said.running.shapes import shaped

BLOCK = 8
FPS = 30
"""Frames per second of the motion: every second one of the corpus."""
INNER = slice(BLOCK, 2 * BLOCK)
"""Of a block between its neighbours, the frames of the block itself."""
STEPS = slice(BLOCK - 1, 2 * BLOCK + 1)
"""Those, the one before and the one after."""


def with_neighbours(motion: Real[np.ndarray, "N K"]) -> list[NDArray]:
    """Each whole block of a motion (N, K) between the blocks before and after it: arrays (24, K), which share memory.

    What remains after the last block is its neighbour; where there is none, the outermost frame stands still.
    """
    around = np.pad(motion, ((BLOCK, BLOCK), (0, 0)), mode="edge")
    return [around[start : start + 3 * BLOCK] for start in range(0, len(motion) - BLOCK + 1, BLOCK)]


def at_30(motion: NDArray) -> NDArray:
    """Every second frame of a motion (N, K) at 60 frames per second, from the first."""
    return motion[:: FRAME_RATE // FPS]


@shaped
def at_60(motion: Real[np.ndarray, "N K"], frames: int) -> Float32[np.ndarray, "{frames} K"]:
    """A motion (N, K) at 30 frames per second, linearly interpolated to `frames` <= 2 N of 60 per second."""
    where = positions(len(motion))[:frames]
    columns = [np.interp(where, np.arange(len(motion)), column) for column in motion.T]
    return np.stack(columns, axis=1).astype(np.float32)
