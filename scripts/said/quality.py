"""How well a speaker's blendshapes explain the recorded frames: the residuals of Eq. 2, and where its limits bind."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_AT_LIMIT = 1e-7  # above the rounding of the coefficients' files


@dataclass(frozen=True)
class Residuals:
    """Distance in metres between the frames of a speaker and their reconstruction, root mean square.

    Attributes:
        sentences: (S,) names, in the order of `frame_rms`.
        frames: (S,) number of frames of each.
        frame_rms: (N,) over the vertices, all sentences one after another.
        vertex_rms: (V,) over the frames of all sentences.
    """

    sentences: NDArray
    frames: NDArray
    frame_rms: NDArray
    vertex_rms: NDArray


def collect(sentences: Sequence[str], errors: Sequence[tuple[NDArray, NDArray]]) -> Residuals:
    """The residuals of a speaker, from what `said.coefficients.vertex_rms` gives for each of the sentences."""
    frames = np.array([len(per_frame) for per_frame, _ in errors])
    squares = np.array([per_vertex**2 for _, per_vertex in errors])
    return Residuals(
        np.array(sentences),
        frames,
        np.concatenate([per_frame for per_frame, _ in errors]),
        np.sqrt(np.average(squares, axis=0, weights=frames)),
    )


def table(residuals: Residuals) -> pd.DataFrame:
    """One row per sentence: its name, its number of frames, the error in mm over all of them and in the worst."""
    parts = np.split(1e3 * residuals.frame_rms, np.cumsum(residuals.frames)[:-1])
    return pd.DataFrame(
        {
            "sentence": residuals.sentences,
            "frames": residuals.frames,
            "rms_mm": [np.sqrt((part**2).mean()) for part in parts],
            "worst_frame_mm": [part.max() for part in parts],
        }
    )


def limit_shares(sequences: Sequence[NDArray], max_step: float) -> NDArray:
    """(3, K) share of a speaker's frames at which each coefficient is 0, is 1, or neither but has moved by `max_step`.

    Args:
        sequences: (N_i, K) coefficients of each sentence.
        max_step: delta of Eq. 2.
    """
    coefficients = np.concatenate(sequences)
    changes = np.concatenate([np.abs(np.diff(sequence, axis=0, prepend=sequence[:1])) for sequence in sequences])
    at_zero, at_one = coefficients <= _AT_LIMIT, coefficients >= 1 - _AT_LIMIT
    at_step = (changes >= max_step - _AT_LIMIT) & ~at_zero & ~at_one
    return np.stack([at_zero, at_one, at_step]).mean(axis=1)
