"""Defects that make part of VOCASET's release unusable."""

import numpy as np
from numpy.typing import NDArray

NUMBERS_END = 1_000_000
"""The first number with more than six digits; a sentence has about 300 frames."""


class DefectError(ValueError):
    """Part of the release cannot be used.

    Attributes:
        check: name of the check that it fails, see `said.vocaset.audit.CHECKS`.
    """

    def __init__(self, check: str, message: str):
        super().__init__(message)
        self.check = check


def require_counted(numbers: NDArray[np.int64], name: str) -> None:
    """Check that frames are counted as in the release: from 1, and without gaps between the first and the last.

    Args:
        numbers: (N,) from 0, ascending, as `Release.frame_numbers` gives them.
        name: of the sentence, for messages.

    Raises:
        DefectError: they are not.
    """
    steps = np.diff(numbers)
    if numbers[0] < 0:
        problem = f"begins with frame {numbers[0] + 1}; the release counts from 1, so give each frame its number there"
    elif numbers[-1] + 1 >= NUMBERS_END:
        problem = "has a frame whose number is longer than six digits"
    elif (steps == 0).any():
        problem = f"has frame {numbers[np.argmin(steps)] + 1} twice"
    elif (steps > 1).any():
        lacking = numbers[-1] - numbers[0] + 1 - len(numbers)
        problem = f"lacks {lacking} frames, the first of them {numbers[np.argmax(steps > 1)] + 2}"
    else:
        return
    raise DefectError("frames", f"{name}: {problem}")


def require_finite(vertices: NDArray[np.floating], name: str) -> None:
    """Raise DefectError, naming frame and vertex, if a coordinate of (N, V, 3) vertices is not finite."""
    if not np.isfinite(vertices).all():
        frame, vertex, _ = np.argwhere(~np.isfinite(vertices))[0]
        raise DefectError("not_finite", f"{name}: vertex {vertex} of frame {frame + 1} is not finite")
