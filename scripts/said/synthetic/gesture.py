"""How the head moves while one speaks: nods to the rhythm, turns and tilts to the meaning, and a speaker's habits.

What a network has to learn is known here. Nods follow stress and effort, which the loudness of the speech shows:
rhythm. A question tilts the head and "never" shakes it, which no loudness shows: meaning.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from said.synthetic.phonetics import VOWELS, Phone, check_phones

_NEVER = ("N", "EH", "V", "ER")
_NUCLEUS = 0.4  # of a vowel's length: where its stress is felt
_DECLINE = 2.5  # degrees by which the head sinks over a sentence
_SMOOTHING = 0.04  # seconds, of the pitch: a head has a mass
_SHAKES, _ENVELOPE, _DELAY = 2.6, 0.28, 0.05  # Hz, s and s, of the shaking at "never"
_NOISE_RATE = 25  # Hz, at which the drift is drawn


@dataclass(frozen=True)
class HeadStyle:
    """How one speaker moves the head; in degrees and seconds.

    Attributes:
        nod: size of a nod at ordinary effort.
        width: standard deviation of its course in time.
        lead: by how much it comes before the sound.
        yaw: spread of the directions that sentences are spoken to.
        tilt: roll of a question, with its sign.
        shake: size of the shaking at "never".
        drift: spread of what has nothing to do with the speech.
        rest: (3,) pitch, yaw and roll at rest.
    """

    nod: float
    width: float
    lead: float
    yaw: float
    tilt: float
    shake: float
    drift: float
    rest: NDArray[np.float64]


@dataclass(frozen=True)
class Sentence:
    """A sentence in time: seconds of its beginning and its end, and whether it asks."""

    start: float
    end: float
    question: bool


def sample_head_style(rng: np.random.Generator) -> HeadStyle:
    """Draw a speaker's habits."""

    def about(middle: float, spread: float) -> float:
        return float(middle * np.exp(spread * rng.normal()))

    return HeadStyle(
        nod=about(4.5, 0.35),
        width=about(0.10, 0.15),
        lead=float(0.02 + 0.03 * rng.normal()),
        yaw=about(4.0, 0.35),
        tilt=about(4.0, 0.3) * float(rng.choice([-1, 1])),
        shake=about(6.0, 0.25),
        drift=about(0.8, 0.25),
        rest=rng.normal(size=3) * np.array([2.0, 2.0, 1.0]),
    )


def stresses(phones: Sequence[Phone]) -> NDArray[np.float64]:
    """(M, 2) seconds of the nucleus and effort of each vowel with primary stress."""
    rows = [(_nucleus(phone), phone.effort) for phone in phones if _stressed(phone)]
    return np.array(rows).reshape(-1, 2)


def nevers(phones: Sequence[Phone]) -> NDArray[np.float64]:
    """(W,) seconds of the middle of each "never"."""
    symbols = [phone.symbol for phone in phones]
    starts = [k for k in range(len(symbols) - 3) if tuple(symbols[k : k + 4]) == _NEVER]
    return np.array([(phones[k].start + phones[k + 3].end) / 2 for k in starts])


def gestures(
    phones: Sequence[Phone],
    sentences: Sequence[Sentence],
    style: HeadStyle,
    rng: np.random.Generator,
    fps: float,
    frames: int,
    variation: float = 1.0,
) -> NDArray[np.float64]:
    """(N, 3) degrees of pitch (down is positive), yaw and roll; another `rng` gives another take of the same speech.

    Frame n is the pose at (n + 1/2) / fps seconds. The gestures are functions of time, so that a take is the same at
    every frame rate.

    * Rhythm: a nod on a stressed vowel, the likelier and the deeper the greater the effort, with a small rise before.
    * Phrase: the head sinks over a sentence, and each sentence is spoken in a direction of its own.
    * Meaning: a question tilts the head to the speaker's side, "never" shakes it.
    * Drift, with a memory of a second.

    Args:
        phones: in order, seconds from the beginning of the clip; some may lie outside of it.
        sentences: in order.
        style: the speaker's habits.
        rng: draws what differs between takes.
        fps: frames per second, above 0.
        frames: N.
        variation: scale of sizes, moments and drift between takes; which vowels are nodded at is drawn in any case.

    Raises:
        ValueError: phones are unknown or out of order.
    """
    check_phones(phones)
    times = (np.arange(frames, dtype=np.float64) + 0.5) / fps
    pitch = _nods(phones, times, style, rng, variation)
    yaw, roll, before, tilted = np.zeros(frames), np.zeros(frames), 0.0, 0.0
    for sentence in sentences:
        towards = style.yaw * rng.normal()
        yaw += (towards - before) * _minimum_jerk(times, sentence.start - 0.15, 0.5)
        tilt = style.tilt * sentence.question * np.exp(0.2 * variation * rng.normal())
        roll += (tilt - tilted) * _minimum_jerk(times, sentence.start + 0.1, 0.7)
        inside = (times >= sentence.start) & (times < sentence.end)
        done = (times - sentence.start) / (sentence.end - sentence.start)
        pitch += np.where(inside, _DECLINE * done - 1.0, 0.0)
        before, tilted = towards, tilt
    for middle in nevers(phones) + _DELAY:
        size = style.shake * rng.choice([-1, 1]) * np.exp(0.2 * variation * rng.normal())
        envelope = np.exp(-0.5 * ((times - middle) / _ENVELOPE) ** 2)
        yaw += size * envelope * np.sin(2 * np.pi * _SHAKES * (times - middle))
    pitch = gaussian_filter1d(pitch, _SMOOTHING * fps)
    drift = variation * style.drift * np.array([1.0, 1.2, 0.7]) * _drift(rng, times)
    return np.stack([pitch, yaw, roll], axis=1) + drift + style.rest


def _nods(
    phones: Sequence[Phone], times: NDArray[np.float64], style: HeadStyle, rng: np.random.Generator, variation: float
) -> NDArray[np.float64]:
    pitch = np.zeros(len(times))
    for phone in phones:
        if not _stressed(phone) or rng.random() >= np.clip(0.25 + 1.5 * (phone.effort - 0.85), 0.05, 0.98):
            continue
        size = (
            style.nod * np.clip(0.35 + 2.2 * (phone.effort - 0.8), 0.25, 2.5) * np.exp(0.25 * variation * rng.normal())
        )
        middle = _nucleus(phone) - style.lead + 0.025 * variation * rng.normal()
        down = np.exp(-0.5 * ((times - middle) / style.width) ** 2)
        rise = np.exp(-0.5 * ((times - middle + 2.4 * style.width) / (1.2 * style.width)) ** 2)
        pitch += size * (down - 0.35 * rise)
    return pitch


def _stressed(phone: Phone) -> bool:
    return phone.symbol in VOWELS and phone.stress == 1


def _nucleus(phone: Phone) -> float:
    return phone.start + _NUCLEUS * phone.duration


def _minimum_jerk(times: NDArray[np.float64], start: float, duration: float) -> NDArray[np.float64]:
    """From 0 to 1 with the least jerk (Flash & Hogan 1985)."""
    done = np.clip((times - start) / duration, 0, 1)
    return done**3 * (10 - 15 * done + 6 * done**2)


def _drift(rng: np.random.Generator, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 3) stationary smooth noise of about unit scale, with a memory of a second."""
    count = int(np.ceil((times[-1] if len(times) else 0) * _NOISE_RATE)) + 2
    warm_up, decay = 85, np.exp(-1 / _NOISE_RATE)
    white = rng.normal(size=(count + warm_up, 3))
    slow = gaussian_filter1d(lfilter([np.sqrt(1 - decay**2)], [1, -decay], white, axis=0), 2.0, axis=0)
    known = (np.arange(count) + 0.5) / _NOISE_RATE
    return CubicSpline(known, slow[warm_up:])(times)
