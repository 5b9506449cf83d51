"""From the 30 frames per second of some methods to the corpus's 60."""

from typing import Literal

import numpy as np
from jaxtyping import Float32, Real
from numpy.typing import NDArray

from said.corpus import FRAME_RATE
from said.running.shapes import shaped

Resampling = Literal["clamped", "centred", "stretched"]
"""Where a frame of the doubled sequence lies: at its own time; by the middle of what it lasts; from end to end."""


def positions(frames: int, rule: Resampling = "clamped") -> NDArray[np.float64]:
    """Where each frame of a doubled sequence lies in the one that it is made of, (2 frames,), in its frames.

    The paper interpolates linearly and does not say how; its published samples have exactly twice as many frames.

    Args:
        frames: of the slower sequence, at least 1.
        rule: clamped: frame j at j / 2, the last one held, so that time is exact; centred: at (j - 1/2) / 2, held at
            both ends (PyTorch's align_corners=False), 1/120 s late; stretched: from the first to the last frame
            (align_corners=True), by half a frame too slow in all.

    Raises:
        ValueError: there is no frame, or no such rule.
    """
    if frames < 1 or rule not in ("clamped", "centred", "stretched"):
        raise ValueError(f"expected frames >= 1 and clamped, centred or stretched, not {frames} and {rule!r}")
    last = frames - 1
    if rule == "stretched":
        return np.linspace(0, last, 2 * frames)
    return np.clip(np.arange(2 * frames) / 2 - (0.25 if rule == "centred" else 0.0), 0, last)


@shaped
def to_corpus_rate(
    frames: Real[np.ndarray, "N V 3"], fps: int, rule: Resampling = "clamped"
) -> Float32[np.ndarray, "M V 3"]:
    """A mesh sequence at the corpus's 60 frames per second.

    Args:
        frames: (N, V, 3), N >= 1.
        fps: of the sequence: 60, which is left as it is, or 30, which is interpolated linearly to 2 N frames.
        rule: see `positions`.

    Raises:
        ValueError: another rate.
    """
    if fps == FRAME_RATE:
        return np.asarray(frames, np.float32)
    if 2 * fps != FRAME_RATE:
        raise ValueError(f"sequences have {FRAME_RATE // 2} or {FRAME_RATE} frames per second, not {fps}")
    where = positions(len(frames), rule)
    below = np.minimum(where.astype(int), max(0, len(frames) - 2))
    above, share = np.minimum(below + 1, len(frames) - 1), (where - below).astype(np.float32)[:, None, None]
    return np.asarray(frames[below] * (1 - share) + frames[above] * share, np.float32)
