"""Speech as a waveform, before any model: its sample rate, its length, and the number of its animation frames."""

from fractions import Fraction

import numpy as np
import soxr
from numpy.typing import NDArray

from said.corpus import FRAME_RATE
from said.running.atomic import PathLike

SAMPLE_RATE = 16000
"""Hz, of wav2vec 2.0 and of SyncNet."""
_LEAST_FRAMES = 2


def frame_count(samples: int, rate: int, fps: int = FRAME_RATE, rounding: str = "exact") -> int:
    """Number of whole animation frames in a piece of audio.

    Args:
        samples: its length.
        rate: its sample rate in Hz.
        fps: frames per second.
        rounding: exact; or truncated, in floating point as in the authors' implementation, where some lengths of a
            whole number of frames lose a frame.

    Raises:
        ValueError: a number is out of range, or the rounding unknown.
    """
    if rounding not in ("exact", "truncated"):
        raise ValueError(f"frame_count must be exact or truncated, not {rounding!r}")
    if samples < 0 or rate <= 0 or fps <= 0:
        raise ValueError(f"samples must be at least 0, rate and fps above 0; got {samples}, {rate}, {fps}")
    if rounding == "truncated":
        return int(samples / rate * fps)
    return int(Fraction(samples) * Fraction(fps) / Fraction(rate))


def require_encodable(frames: int, source: PathLike) -> None:
    """Refuse speech that is too short for the model: a frame lasts 17 ms, the speech encoder needs 25 ms.

    Raises:
        ValueError: it is too short; the message names `source`.
    """
    if frames < _LEAST_FRAMES:
        raise ValueError(
            f"{source}: too short: {frames} of the {_LEAST_FRAMES} frames that are needed, at {FRAME_RATE} per second; "
            "record more"
        )


def prepare_waveform(waveform: NDArray, sample_rate: float) -> NDArray[np.float32]:
    """Resample a mono waveform (T,) in [-1, 1] from `sample_rate` Hz to 16 kHz.

    Raises:
        ValueError: it is empty, not mono or not finite.
    """
    waveform = np.asarray(waveform, dtype=np.float32)
    if waveform.ndim != 1 or len(waveform) == 0:
        raise ValueError(f"expected a mono waveform (T,), got {waveform.shape}")
    if not np.isfinite(waveform).all():
        raise ValueError("the waveform holds values that are not finite")
    if sample_rate == SAMPLE_RATE:
        return waveform
    return soxr.resample(waveform, sample_rate, SAMPLE_RATE)


def fit_length(waveform: NDArray, samples: int) -> NDArray[np.float32]:
    """(samples,) the beginning of a waveform (T,); a shorter waveform is followed by silence."""
    cut = np.asarray(waveform[:samples], dtype=np.float32)
    return np.pad(cut, (0, samples - len(cut)))
