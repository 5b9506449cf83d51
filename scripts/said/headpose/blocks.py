"""Facial motion in blocks of 8 frames at 30 per second, 267 ms (supplement, Section 2.1, which says 27 ms)."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32, Real
from numpy.typing import NDArray

from said.baselines.resampling import positions
from said.corpus import FRAME_RATE
from said.running.shapes import shaped

BLOCK = 8
FPS = 30
"""Frames per second of the motion: every second one of the corpus."""


@shaped
def to_blocks(motion: Real[np.ndarray, "N K"]) -> Real[np.ndarray, "B 8 K"]:
    """A whole motion (N, K), N >= 1, in blocks that do not overlap; its last frame fills the last one."""
    padded = np.pad(motion, ((0, -len(motion) % BLOCK), (0, 0)), mode="edge")
    return padded.reshape(-1, BLOCK, motion.shape[1])


def cut_blocks(sequences: Mapping[str, NDArray]) -> NDArray[np.float32]:
    """All blocks (B, 8, K) of several motions (N, K), in the order of their names; what remains of each is dropped."""
    whole = [sequences[name][: len(sequences[name]) // BLOCK * BLOCK] for name in sorted(sequences)]
    return np.concatenate([part.reshape(-1, BLOCK, part.shape[1]) for part in whole]).astype(np.float32)


def at_30(motion: NDArray) -> NDArray:
    """Every second frame of a motion (N, K) at 60 frames per second, from the first."""
    return motion[:: FRAME_RATE // FPS]


@shaped
def at_60(motion: Real[np.ndarray, "N K"], frames: int) -> Float32[np.ndarray, "{frames} K"]:
    """A motion (N, K) at 30 frames per second, linearly interpolated to `frames` <= 2 N of 60 per second."""
    where = positions(len(motion))[:frames]
    columns = [np.interp(where, np.arange(len(motion)), column) for column in motion.T]
    return np.stack(columns, axis=1).astype(np.float32)
