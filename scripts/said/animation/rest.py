"""A face that comes to rest where nobody speaks.

A model never quite rests in silence: its mouth stays a little open, and moves a little. Where the recording itself is
silent for long enough, coefficients go to 0, smoothly, and only well away from any sound: a mouth opens before it is
heard. Frames of speech stay what they were to the last bit.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from said.animation.encoding import Samples
from said.corpus import FRAME_RATE
from said.running.shapes import shaped
from said.waveforms import SAMPLE_RATE

REST = 0.4
"""Seconds: in a silence that is longer the face rests, from half of this after a sound until half of it before one."""
RAMP = 0.15
"""Seconds that going to rest, and coming back, take."""
_BELOW = 1e-4
"""A frame is silent where it is 40 dB below the speech of its recording: power, as a share."""
_NOISE, _NOISE_BELOW, _QUIETEST = 3.0, 1e-2, 10
"""And where it is less than 5 dB above the noise of the room, the power of the quietest tenth, if that is 20 dB below
the speech. Speech that is as weak as this is no more even than other speech, and does not stay within 5 dB for long."""
_STEP = 3e-5**2
"""Power of one step of 16 bits: what is below it is silent in any recording."""
_AROUND = 2
"""Frames on either side over which power is averaged: that of noise in a single frame wavers by some dB."""
_BLOCK = 3600
"""Frames whose samples are read together."""
_LIVE = 60 * FRAME_RATE
"""Frames from which the noise of a room is known that is heard live."""


def powers(speech: Samples, begin: int, end: int) -> NDArray[np.float64]:
    """(end - begin,) power of the sound in each frame from `begin`, about its mean, averaged over a few frames."""
    first = max(0, begin - _AROUND)
    sums = np.cumsum(np.concatenate([np.zeros(1), *_powers(speech, first, end)]))
    places = np.arange(begin, end) - first
    left, right = np.maximum(places - _AROUND, 0), np.minimum(places + _AROUND + 1, end - first)
    return np.maximum(sums[right] - sums[left], 0) / (right - left)


def _powers(speech: Samples, begin: int, end: int) -> Iterator[NDArray[np.float64]]:
    for first in range(begin, end, _BLOCK):
        bounds = np.arange(first, min(end, first + _BLOCK) + 1) * SAMPLE_RATE // FRAME_RATE
        values = speech.read(int(bounds[0]), int(bounds[-1])).astype(np.float64)
        starts, counts = bounds[:-1] - bounds[0], np.diff(bounds)
        mean, square = (np.add.reduceat(part, starts) / counts for part in (values, values**2))
        yield np.maximum(square - mean**2, 0)


class Level:
    """How loud the speech of a recording is, and the room that it is heard in.

    The former is the mean power of the frames, weighted by their power: silence between sounds, however long, does not
    count.

    Args:
        memory: the last frames, from which the noise of the room is known; None: all.
    """

    def __init__(self, memory: int | None = None):
        self._total = self._square = 0.0
        self._memory, self._last = memory, np.zeros(0)

    def add(self, power: NDArray[np.float64]) -> None:
        """Hear further frames (n,)."""
        self._total, self._square = self._total + float(power.sum()), self._square + float(np.square(power).sum())
        self._last = np.concatenate([self._last, power])[-(self._memory or 0) :]

    def heard(self, power: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n,) whether frames have a sound."""
        speech = self._square / self._total if self._total else 0.0
        noise = float(np.percentile(self._last, _QUIETEST)) if len(self._last) else 0.0
        return power >= max(_BELOW * speech, min(_NOISE * noise, _NOISE_BELOW * speech), _STEP)


def _share(frames: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
    """How far the face is at rest, 0 to 1, that many frames from the nearest sound."""
    way = np.clip((frames / FRAME_RATE - seconds / 2) / RAMP, 0, 1)
    return way * way * (3 - 2 * way)


def _sides(sound: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(N,) where the sound before each frame ends, 0 if there is none, and where the one after it begins, or N."""
    places = np.arange(len(sound))
    before = np.maximum.accumulate(np.where(sound, places + 1, 0))
    after = np.minimum.accumulate(np.where(sound, places, len(sound))[::-1])[::-1]
    return before, after


@shaped
def shares(sound: Bool[np.ndarray, " N"], seconds: float = REST) -> Float[np.ndarray, " N"]:
    """How far the face is at rest in each frame, 0 to 1.

    Args:
        sound: whether a frame is to stay as it is.
        seconds: that a silence must last, see `REST`; 0: the face never rests. What comes before and after the
            recording is not known: a silence there counts as no longer than it is.
    """
    if not seconds:
        return np.zeros(len(sound))
    before, after = _sides(sound)
    places = np.arange(len(sound)) + 0.5
    distance = np.minimum(
        np.where(before > 0, places - before, np.inf), np.where(after < len(sound), after - places, np.inf)
    )
    return np.where(sound, 0.0, _share(np.minimum(distance, (after - before) / 2), seconds))


@shaped
def heard(speech: Samples, frames: int) -> Bool[np.ndarray, " {frames}"]:
    """(frames,) in which frames of a recording there is a sound."""
    power, level = powers(speech, 0, frames), Level()
    level.add(power)
    return level.heard(power)


@shaped
def rest(
    coefficients: Float[np.ndarray, "N 32"],
    sound: Bool[np.ndarray, " N"],
    seconds: float = REST,
    kept: Bool[np.ndarray, "N 32"] | None = None,
) -> tuple[Float[np.ndarray, "N 32"], float]:
    """Coefficients that are 0 where the speech is silent for long.

    Args:
        coefficients: 60 per second.
        sound: where the speech that they were made for has one, see `heard`.
        seconds: see `shares`.
        kept: what stays as it is, as if there were a sound (Eq. 10).

    Returns:
        (N, 32) coefficients, and the seconds in which the face is more at rest than not.
    """
    if not seconds:
        return coefficients, 0.0
    share = shares(sound, seconds)
    resting = round(np.count_nonzero(share > 0.5) / FRAME_RATE, 3)
    moving = (1 - share[:, None]).astype(coefficients.dtype)
    if kept is not None and kept.any():
        columns = [1 - shares(sound | column, seconds) for column in kept.T]
        moving = np.stack(columns, axis=1).astype(coefficients.dtype)
    return coefficients * moving, resting


class LiveRest:
    """The same for speech as it is heard, of which nothing is known that is still to be said.

    Where a sound comes unforeseen, the face needs `RAMP` to follow it.

    Args:
        seconds: see `shares`.
    """

    def __init__(self, seconds: float = REST):
        self.seconds, self._level = seconds, Level(_LIVE)
        self._silent, self._share = np.inf, None

    def __call__(self, coefficients: NDArray[np.float32], speech: Samples, begin: int) -> NDArray[np.float32]:
        """(n, 32) coefficients of the next frames, from `begin`, whose sound has been heard."""
        if not self.seconds:
            return coefficients
        count = len(coefficients)
        power = powers(speech, begin, begin + count)
        self._level.add(power)
        sound = self._level.heard(power)
        before, after = _sides(sound)
        places = np.arange(count) + 0.5
        since = np.where(before > 0, places - before, places + self._silent)
        wanted = _share(np.minimum(since, np.where(after < count, after - places, np.inf)), self.seconds)
        self._silent = count - before[-1] + (0 if before[-1] else self._silent)
        most = 1 / (RAMP * FRAME_RATE)
        made = np.empty(count)
        for place, share in enumerate(np.where(sound, 0.0, wanted)):
            last = share if self._share is None else self._share
            made[place] = self._share = min(max(share, last - most), last + most)
        return (coefficients * (1 - made[:, None])).astype(np.float32)
