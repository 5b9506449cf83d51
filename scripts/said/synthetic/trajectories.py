"""Coefficient trajectories from timed phones: dominance coarticulation, speaker style and natural variation.

Each gesture has a dominance function that decays on both sides of its phone, and a coefficient is the mean of
the gestures' targets weighted by their dominances (Cohen & Massaro 1993). Added to this are a speaker's habits,
the variation between takes, lips that really close on bilabials, and a limit on the speed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from said.arkit import MIRROR, SPEECH_BLENDSHAPES
from said.synthetic.phonetics import PHONES, SILENCE, Phone, check_phones
from said.synthetic.visemes import INDEX, VISEMES, columns, visemes_of

MAX_STEP = 0.1
"""Largest change of a coefficient from one frame to the next, the paper's delta (Eq. 2)."""


_COUNT = len(SPEECH_BLENDSHAPES)
_OPENING = columns("jawOpen", "mouthFunnel", "mouthLowerDown", "mouthUpperUp")
_ROLLS = columns("mouthRollLower", "mouthRollUpper")
_CLOSING = columns("mouthRollLower", "mouthRollUpper", "mouthPress", "mouthClose")


@dataclass(frozen=True)
class SpeakerStyle:
    """How one speaker articulates; the defaults are a speaker without habits.

    Attributes:
        gain: (32,) scale of each blendshape.
        base: (32,) coefficients of the face at rest, at least 0.
        rate: scale of the decay of dominance: above 1, articulation is crisper.
        lead: seconds by which the motion anticipates the sound.
        smile: offset of both mouthSmile coefficients.
        side: offset of the jaw to the left (positive) or right.
    """

    gain: NDArray[np.float64] = field(default_factory=lambda: np.ones(_COUNT))
    base: NDArray[np.float64] = field(default_factory=lambda: np.zeros(_COUNT))
    rate: float = 1.0
    lead: float = 0.045
    smile: float = 0.05
    side: float = 0.0


def sample_style(rng: np.random.Generator) -> SpeakerStyle:
    """Draw a speaker's habits: mostly symmetric gains, a resting face, an anticipatory lead of 45 +- 15 ms."""
    gain = np.exp(0.13 * rng.normal(size=_COUNT))
    asymmetry = np.exp(0.08 * rng.normal(size=_COUNT))
    for left, right in enumerate(MIRROR):
        if left < right and SPEECH_BLENDSHAPES[left] not in ("jawLeft", "mouthLeft"):
            gain[right] = gain[left] / asymmetry[left]
            gain[left] = gain[left] * asymmetry[left]
    gain *= np.exp(0.10 * rng.normal())
    base = np.maximum(0, 0.03 * rng.normal(size=_COUNT)) * (rng.random(_COUNT) < 0.4)
    base[_OPENING] *= 0.3  # a resting mouth is nearly shut
    return SpeakerStyle(
        gain=gain,
        base=base,
        rate=float(np.exp(0.12 * rng.normal())),
        lead=float(np.clip(0.045 + 0.015 * rng.normal(), 0.015, 0.080)),
        smile=float(abs(0.06 * rng.normal())),
        side=float(0.02 * rng.normal()),
    )


@dataclass(frozen=True)
class _Gesture:
    start: float
    end: float
    name: str
    scale: float

    @property
    def centre(self) -> float:
        return (self.start + self.end) / 2


def _gestures(phones: Sequence[Phone]) -> list[_Gesture]:
    """Phones as visemes; diphthongs are split in half; stress and effort enlarge vowels."""
    gestures = []
    for phone in phones:
        names = visemes_of(phone.symbol, phone.stress)
        scale = (1.12 if phone.stress == 1 else 0.92) * phone.effort if phone.symbol != SILENCE else 1.0
        for part, name in enumerate(names):
            start = phone.start + phone.duration * part / len(names)
            gestures.append(_Gesture(start, start + phone.duration / len(names), name, scale))
    return gestures


def _coarticulate(
    gestures: Sequence[_Gesture],
    times: NDArray[np.float64],
    style: SpeakerStyle,
    rng: np.random.Generator,
    variation: float,
) -> NDArray[np.float64]:
    """(N, 32) mean of the gestures' targets weighted by their dominances."""
    count = len(gestures)
    targets = np.stack([VISEMES[gesture.name].target for gesture in gestures])  # (G, 32)
    strength = np.array([VISEMES[gesture.name].strength for gesture in gestures])
    decay = np.array([VISEMES[gesture.name].decay for gesture in gestures]) * style.rate
    centre = np.array([gesture.centre for gesture in gestures]) - style.lead
    half_width = 0.3 * np.array([gesture.end - gesture.start for gesture in gestures])
    scale = np.array([gesture.scale for gesture in gestures])
    # What differs between two takes of one sentence: size, mixture, strength and timing of every gesture.
    size = np.exp(0.18 * variation * rng.normal(size=(count, 1)))
    mixture = np.exp(0.12 * variation * rng.normal(size=(count, _COUNT)))
    size = np.repeat(size, _COUNT, axis=1)
    size[:, INDEX["jawOpen"]] **= 0.8  # the jaw follows loudness more than mood
    strength = strength * np.exp(0.12 * variation * rng.normal(size=count))
    centre = centre + 0.010 * variation * rng.normal(size=count)
    distance = np.maximum(np.abs(times[:, None] - centre) - half_width, 0)  # (N, G)
    dominance = strength * np.exp(-decay * distance)
    weights = dominance / (dominance.sum(axis=1, keepdims=True) + 1e-3)
    return weights @ (targets * scale[:, None] * size * mixture)


def _envelope(
    gestures: Sequence[_Gesture], names: set[str], times: NDArray[np.float64], lead: float, ramp: float, least: float
) -> NDArray[np.float64]:
    """(N,) 1 within the named gestures, falling smoothly to 0 over `ramp` seconds on both sides."""
    envelope = np.zeros(len(times))
    for gesture in gestures:
        if gesture.name in names:
            half = max((gesture.end - gesture.start) / 4, least)
            distance = np.abs(times - (gesture.centre - 0.35 * lead))
            envelope = np.maximum(envelope, np.clip(1 - (distance - half) / ramp, 0, 1))
    return envelope**2 * (3 - 2 * envelope)


def _smooth_noise(
    rng: np.random.Generator, frames: int, channels: int, memory: float, fps: float
) -> NDArray[np.float64]:
    """(frames, channels) stationary Gaussian noise of unit scale, correlated over `memory` seconds, no jitter."""
    warm_up = int(2 * fps)
    decay = np.exp(-1 / (memory * fps))
    white = rng.normal(size=(frames + warm_up, channels))
    slow = lfilter([np.sqrt(1 - decay**2)], [1, -decay], white, axis=0)
    return np.asarray(lfilter([0.28], [1, -0.72], slow, axis=0))[warm_up:]


def _add_variation(
    u: NDArray[np.float64], style: SpeakerStyle, rng: np.random.Generator, variation: float, fps: float
) -> NDArray[np.float64]:
    """Fast and slow noise, and expressions that have nothing to do with the words."""
    frames = len(u)
    amplitude = np.full(_COUNT, 0.008)
    amplitude[INDEX["jawOpen"]] = 0.012
    amplitude[columns("mouthSmile")] = 0.02
    u = u + variation * amplitude * _smooth_noise(rng, frames, _COUNT, 0.35, fps)
    smile, squint, sneer, jaw, mouth = variation * _smooth_noise(rng, frames, 5, 1.2, fps).T
    u[:, columns("mouthSmile")] += (style.smile + 0.04 * smile)[:, None]
    u[:, [INDEX["cheekSquintLeft"], INDEX["cheekSquintRight"]]] += 0.04 * squint[:, None]
    u[:, [INDEX["noseSneerLeft"], INDEX["noseSneerRight"]]] += 0.03 * sneer[:, None]
    for part, offset in (("jaw", style.side + 0.04 * jaw), ("mouth", 0.05 * mouth)):
        u[:, INDEX[part + "Left"]] += np.maximum(offset, 0)
        u[:, INDEX[part + "Right"]] += np.maximum(-offset, 0)
    return u + style.base


def limit_rate(u: NDArray[np.float64], max_step: float = MAX_STEP) -> NDArray[np.float64]:
    """The nearest trajectory whose steps are at most `max_step`, without opening closed lips.

    The largest function below a signal and the smallest above it with a given Lipschitz constant are
    ``min_m u[m] + c|n-m|`` and ``max_m u[m] - c|n-m|`` (McShane 1934, Whitney 1934). Blendshapes that open the
    mouth take the first, so that every minimum stays; those that shut it take the second, so that every maximum
    stays; all others take the mean of the two, which has the least maximal change.

    Args:
        u: (N, 32) in [0, 1].
        max_step: largest change per frame, above 0.

    Returns:
        (N, 32) in [0, 1].
    """
    step = max_step * (1 - 1e-6)  # so that rounding cannot exceed the limit
    lower, upper = u.copy(), u.copy()
    for offset in range(1, min(int(np.ceil(1 / step)), len(u) - 1) + 1):
        lower[offset:] = np.minimum(lower[offset:], u[:-offset] + offset * step)
        lower[:-offset] = np.minimum(lower[:-offset], u[offset:] + offset * step)
        upper[offset:] = np.maximum(upper[offset:], u[:-offset] - offset * step)
        upper[:-offset] = np.maximum(upper[:-offset], u[offset:] - offset * step)
    limited = (lower + upper) / 2
    limited[:, _OPENING] = lower[:, _OPENING]
    limited[:, _CLOSING] = upper[:, _CLOSING]
    return limited


def _frame_count(duration: float, fps: float) -> int:
    frames = int(np.floor(duration * fps + 1e-6))  # 2.0 s must not become 119 frames by rounding
    if frames < 2:
        raise ValueError(f"a duration of {duration} s at {fps} frames a second leaves fewer than two frames")
    return frames


def coefficients(
    phones: Sequence[Phone],
    duration: float,
    style: SpeakerStyle,
    rng: np.random.Generator,
    fps: float = 60,
    variation: float = 1.0,
) -> NDArray[np.float64]:
    """One take of a sentence by one speaker; another `rng` gives another take of the same.

    Frame n is the face at (n + 1/2) / fps seconds of the audio. The motion anticipates the sound by
    `style.lead`, as faces do; there is no other offset.

    Args:
        phones: timed phones, in order.
        duration: length of the audio in seconds.
        style: the speaker's habits.
        rng: draws what differs between takes.
        fps: frames per second.
        variation: scale of all randomness; 0 gives the speaker's mean performance.

    Returns:
        (floor(duration * fps), 32) float64 in [0, 1], columns in the order of SPEECH_BLENDSHAPES; no value
        changes by more than 0.1 from one frame to the next.

    Raises:
        ValueError: phones are unknown or out of order, or there are fewer than two frames.
    """
    check_phones(phones)
    frames = _frame_count(duration, fps)
    times = (np.arange(frames, dtype=np.float64) + 0.5) / fps
    gestures = _gestures(phones)
    u = _coarticulate(gestures, times, style, rng, variation) * style.gain
    # The size of the articulation differs between takes and drifts within one.
    drift = _smooth_noise(rng, frames, 1, 0.8, fps)
    u *= np.exp(variation * (0.08 * rng.normal() + 0.10 * drift))
    window = np.array([0.25, 0.75, 1.0, 0.75, 0.25])  # a Hann window: 80 ms, no corners
    padded = np.pad(u, ((2, 2), (0, 0)), mode="edge")
    shifted = (weight * padded[k : k + frames] for k, weight in enumerate(window / window.sum()))
    u = sum(shifted, start=np.zeros(u.shape))
    u = np.where(u > 0.8, 0.8 + 0.2 * np.tanh((u - 0.8) / 0.2), u)  # approach 1 softly
    u = np.clip(_add_variation(u, style, rng, variation, fps), 0, 1)

    closed = _envelope(gestures, {"bilabial"}, times, style.lead, ramp=0.060, least=0.022)
    silent = _envelope(gestures, {"silence"}, times, style.lead, ramp=0.10, least=0.0)
    bitten = _envelope(gestures, {"labiodental"}, times, style.lead, ramp=0.055, least=0.015)
    u[:, _OPENING] *= 1 - np.maximum(0.92 * closed, 0.88 * silent)[:, None]
    u[:, _ROLLS] = np.maximum(u[:, _ROLLS], 0.12 * closed[:, None])
    u[:, columns("jawOpen", "mouthLowerDown")] *= 1 - 0.45 * bitten[:, None]
    u[:, INDEX["mouthRollLower"]] = np.maximum(u[:, INDEX["mouthRollLower"]], 0.40 * bitten)
    return limit_rate(u)


def frame_phones(phones: Sequence[Phone], frames: int, fps: float = 60) -> NDArray[np.int64]:
    """(frames,) int labels, the index in PHONES of what is spoken at (n + 1/2) / fps; silence outside."""
    check_phones(phones)
    times = (np.arange(frames) + 0.5) / fps
    labels = np.full(frames, PHONES.index(SILENCE))
    for phone in phones:
        labels[(times >= phone.start) & (times < phone.end)] = PHONES.index(phone.symbol)
    return labels
