"""Beats of the head and of the speech, how near they are to each other, and how far the head dips at them."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from said.headpose.clips import FRAME_RATE, SAMPLE_RATE
from said.headpose.rotations import speed
from said.motion import loudness, peaks

SIGMA = 0.1
"""Seconds by which two beats may differ: the width of the score in TalkSHOW."""
_RATE = 100  # Hz, of the loudness
_RANGE = 2.5  # of its logarithm: what is more than 25 dB below the loudest is as good as silent
_NEAR, _INNER, _OUTER = 1, 6, 8  # frames: the dip is the mean within the first, less that from the second to the third


def head_beats(pose: NDArray) -> NDArray[np.float64]:
    """(B,) seconds at which a head (N, 3), rotation vectors at 25 per second, comes to rest: minima of its speed."""
    curve = gaussian_filter1d(speed(np.asarray(pose), FRAME_RATE), 1.0)
    return (peaks(-curve) + 1) / FRAME_RATE if curve.max() > 1e-6 else np.zeros(0)


def speech_beats(waveform: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(B,) seconds of the maxima of the loudness of speech (T,) at 16 kHz, and (B,) how loud each is, 1 per 10 dB."""
    curve = gaussian_filter1d(loudness(waveform, SAMPLE_RATE, _RATE), 3.0)
    curve = np.maximum(curve, curve.max() - _RANGE)
    found = peaks(curve)
    return (found + 0.5) / _RATE, curve[found]


def loudest(beats: NDArray, levels: NDArray, share: float = 1 / 3) -> NDArray[np.float64]:
    """The loudest of the beats of speech, in order; at least one where there are any."""
    count = max(1, round(len(beats) * share)) if len(beats) else 0
    return beats[np.sort(np.argsort(-levels, kind="stable")[:count])]


def alignment(beats: NDArray, others: NDArray) -> float:
    """The mean over beats of exp(-t^2 / 2 sigma^2), with t the seconds to the nearest of the others and sigma 0.1.

    From the motion's beats to the speech's, as in Li et al. 2021; sigma as in TalkSHOW. NaN where one has no beat.
    """
    if not len(beats) or not len(others):
        return np.nan
    nearest = np.abs(np.subtract.outer(beats, others)).min(1)
    return float(np.exp(-np.square(nearest / SIGMA) / 2).mean())


def courses(pitch: NDArray, beats: NDArray, reach: int = _OUTER) -> NDArray[np.float64]:
    """(B, 2 reach + 1) the pitch (N,) in the frames around each beat; beats too near an end are left out."""
    centres = (np.asarray(beats) * FRAME_RATE).astype(int)
    centres = centres[(centres >= reach) & (centres < len(pitch) - reach)]
    return np.asarray(pitch)[centres[:, None] + np.arange(-reach, reach + 1)]


def dips(pitch: NDArray, beats: NDArray) -> NDArray[np.float64]:
    """(B,) how far the head dips at each beat: its pitch within a frame, less that 6 to 8 frames before and after.

    Args:
        pitch: (N,) degrees, positive downwards, 25 per second.
        beats: (B,) seconds; those within 8 frames of an end are left out.
    """
    around = courses(pitch, beats)
    distance = np.abs(np.arange(-_OUTER, _OUTER + 1))
    return around[:, distance <= _NEAR].mean(1) - around[:, distance >= _INNER].mean(1)
