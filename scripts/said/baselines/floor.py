"""What a method is worth that hears nothing: the floor of the tables."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def mean_motion(sequences: Sequence[NDArray], frames: int) -> NDArray[np.float32]:
    """The mean of the training clips' coefficients, frame by frame: (frames, 32), the same whatever is said.

    Args:
        sequences: (N, 32) each. A clip counts in the frames that it has; beyond the longest, its last mean is held.
    """
    longest = max(map(len, sequences))
    total, count = np.zeros((longest, sequences[0].shape[1])), np.zeros((longest, 1))
    for sequence in sequences:
        total[: len(sequence)] += sequence
        count[: len(sequence)] += 1
    mean = total / count
    return mean[np.minimum(np.arange(frames), longest - 1)].astype(np.float32)
