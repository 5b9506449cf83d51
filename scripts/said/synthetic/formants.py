"""A formant synthesiser: glottal source, cascade of resonators, noise sources, all driven by timed phones.

The model is Klatt's (1980), reduced to what clear speech of this corpus needs: the derivative of a glottal
pulse and aspiration noise go through a cascade of seven formants; frication noise has a resonator of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from said.synthetic.phonetics import AFFRICATES, NASALS, STOPS, VOICELESS, VOWELS, Phone

SAMPLE_RATE = 22000
"""Hz; VOCASET's."""

HOP = 110
"""Samples per control frame: 5 ms."""

VOWEL_FORMANTS = {
    "AA": (730, 1100, 2450), "AE": (680, 1720, 2420), "AH": (620, 1200, 2400), "AO": (570, 850, 2420),
    "EH": (550, 1800, 2480), "ER": (480, 1330, 1700), "IH": (400, 1950, 2560), "IY": (280, 2250, 2980),
    "UH": (440, 1030, 2250), "UW": (310, 880, 2250), "AX": (500, 1450, 2450),
}  # fmt: skip
"""First three formants in Hz of a male voice (Peterson & Barney 1952, rounded); AX is the reduced AH."""

DIPHTHONG_FORMANTS = {
    "AW": ((740, 1250, 2450), (420, 900, 2300)), "AY": ((740, 1200, 2450), (370, 2000, 2600)),
    "EY": ((500, 1900, 2530), (320, 2200, 2800)), "OW": ((560, 950, 2400), (370, 850, 2300)),
    "OY": ((550, 850, 2400), (360, 1980, 2560)),
}  # fmt: skip
"""Formants in Hz at the beginning and at the end."""

# Consonants: F1 F2 F3 in Hz; voicing 0-1; frication 0-1, its centre and bandwidth in Hz.
_CONSONANTS = {
    "M": (270, 1000, 2200, 0.5, 0, 0, 0), "N": (270, 1600, 2600, 0.5, 0, 0, 0), "NG": (270, 2000, 2700, 0.5, 0, 0, 0),
    "L": (360, 1100, 2700, 0.7, 0, 0, 0), "R": (350, 1150, 1550, 0.7, 0, 0, 0), "W": (300, 650, 2200, 0.7, 0, 0, 0),
    "Y": (280, 2250, 3000, 0.7, 0, 0, 0), "HH": (500, 1500, 2500, 0, 0, 0, 0),
    "F": (400, 1000, 2200, 0, 0.08, 6500, 5000), "V": (350, 1000, 2200, 0.5, 0.025, 6500, 5000),
    "TH": (400, 1400, 2500, 0, 0.06, 7000, 4000), "DH": (350, 1400, 2500, 0.5, 0.02, 7000, 4000),
    "S": (350, 1700, 2600, 0, 0.40, 6400, 1500), "Z": (300, 1700, 2600, 0.4, 0.25, 6400, 1500),
    "SH": (350, 1900, 2500, 0, 0.45, 3200, 1200), "ZH": (300, 1900, 2500, 0.4, 0.25, 3200, 1200),
    "CH": (350, 1900, 2500, 0, 0.45, 3400, 1200), "JH": (300, 1900, 2500, 0.3, 0.30, 3400, 1200),
    "P": (300, 800, 2200, 0, 0.30, 1000, 900), "B": (250, 800, 2200, 0.2, 0.16, 900, 900),
    "T": (300, 1750, 2700, 0, 0.40, 4700, 2200), "D": (250, 1750, 2700, 0.2, 0.20, 4500, 2200),
    "K": (300, 1900, 2300, 0, 0.40, 2100, 900), "G": (250, 1900, 2300, 0.2, 0.20, 2000, 900),
}  # fmt: skip

_HIGHER_FORMANTS = ((3400, 220), (4400, 300), (5500, 400), (6600, 500))
_CLOSURE = 0.6  # fraction of a stop during which the mouth is shut
_BURST = 0.012  # seconds


@dataclass(frozen=True)
class Source:
    """The voice's constants: formant scale (1 = male average), breathiness 0 to 1, open quotient 0.4 to 0.8."""

    formant_scale: float = 1.0
    breathiness: float = 0.1
    open_quotient: float = 0.6


@dataclass
class Controls:
    """Control tracks, one value per 5 ms frame; n frames."""

    formants: NDArray[np.float64]  # (n, 3) Hz
    bandwidths: NDArray[np.float64]  # (n, 3) Hz
    voicing: NDArray[np.float64]  # (n,) amplitude
    aspiration: NDArray[np.float64]  # (n,) amplitude
    frication: NDArray[np.float64]  # (n,) amplitude
    frication_centre: NDArray[np.float64]  # (n,) Hz
    frication_bandwidth: NDArray[np.float64]  # (n,) Hz


def _vowel_targets(phone: Phone, progress: NDArray[np.float64]) -> NDArray[np.float64]:
    """(m, 3) formants in Hz at relative times 0 to 1 of a vowel."""
    if phone.symbol in DIPHTHONG_FORMANTS:
        start, end = np.array(DIPHTHONG_FORMANTS[phone.symbol], dtype=float)
        glide = np.clip((progress - 0.25) / 0.5, 0, 1)[:, None]
        return start + (end - start) * glide
    key = "AX" if phone.symbol == "AH" and phone.stress == 0 else phone.symbol
    return np.repeat(np.array([VOWEL_FORMANTS[key]], dtype=float), len(progress), axis=0)


def _smooth(track: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Convolve along the first axis with a Hann window of `width` frames (odd)."""
    window = np.hanning(width + 2)[1:-1]
    window /= window.sum()
    half = width // 2
    padded = np.pad(track, [(half, half)] + [(0, 0)] * (track.ndim - 1), mode="edge")
    shifted = (weight * padded[k : k + len(track)] for k, weight in enumerate(window))
    return sum(shifted, start=np.zeros(track.shape))


def controls(phones: Sequence[Phone], duration: float) -> Controls:
    """Targets of every phone, smoothed so that the formants glide over about 50 ms."""
    frames = int(np.ceil(duration * SAMPLE_RATE / HOP)) + 1
    times = (np.arange(frames) + 0.5) * HOP / SAMPLE_RATE
    formants = np.full((frames, 3), (500.0, 1500.0, 2500.0))
    bandwidths = np.full((frames, 3), (80.0, 100.0, 150.0))
    voicing, aspiration, frication = np.zeros((3, frames))
    centre, bandwidth = np.full(frames, 3000.0), np.full(frames, 2000.0)
    for index, phone in enumerate(phones):
        inside = np.flatnonzero((times >= phone.start) & (times < phone.end))
        if phone.symbol == "SIL" or not len(inside):
            # The mouth prepares for what comes next while it is silent.
            continue
        progress = (times[inside] - phone.start) / phone.duration
        loudness = phone.effort * (1.0 if phone.stress == 1 else 0.85 if phone.stress == 2 else 0.75)
        if phone.symbol in VOWELS:
            formants[inside] = _vowel_targets(phone, progress)
            formants[inside, 0] *= 1 + 0.35 * (phone.effort - 1)  # an open jaw raises F1
            voicing[inside] = loudness
            continue
        f1, f2, f3, voiced, noise, noise_centre, noise_bandwidth = _CONSONANTS[phone.symbol]
        formants[inside] = (f1, f2, f3)
        voicing[inside] = voiced * loudness
        frication[inside] = noise * phone.effort
        if noise:
            centre[inside], bandwidth[inside] = noise_centre, noise_bandwidth
        if phone.symbol in NASALS:
            bandwidths[inside] = (60.0, 250.0, 300.0)
        if phone.symbol == "HH":
            following = phones[min(index + 1, len(phones) - 1)]
            if following.symbol in VOWELS:
                formants[inside] = _vowel_targets(following, np.zeros(len(inside)))
            aspiration[inside] = 0.35 * phone.effort
        if phone.symbol in STOPS or phone.symbol in AFFRICATES:
            release = phone.start + _CLOSURE * phone.duration
            closed = inside[times[inside] < release]
            opened = inside[times[inside] >= release]
            frication[closed] = 0
            if phone.symbol in STOPS:
                after_burst = opened[times[opened] >= release + _BURST]
                frication[after_burst] *= 0.15
                aspiration[after_burst] = 0.30 * phone.effort if phone.symbol in VOICELESS else 0.0
    return Controls(
        _smooth(formants, 11), _smooth(bandwidths, 7), _smooth(voicing, 5), _smooth(aspiration, 3),
        _smooth(frication, 3), centre, bandwidth,
    )  # fmt: skip


def _resonator(frequency: NDArray[np.float64], bandwidth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coefficients (..., 3) of y[n] = a x[n] + b y[n-1] + c y[n-2], unit gain at 0 Hz (Klatt 1980, Eq. 2)."""
    c = -np.exp(-2 * np.pi * bandwidth / SAMPLE_RATE)
    b = 2 * np.exp(-np.pi * bandwidth / SAMPLE_RATE) * np.cos(2 * np.pi * frequency / SAMPLE_RATE)
    return np.stack([1 - b - c, b, c], axis=-1)


@numba.njit(cache=True)
def _filter(
    cascade: NDArray[np.float64],
    frication: NDArray[np.float64],
    amplitudes: NDArray[np.float64],
    pitch: NDArray[np.float64],
    noise: NDArray[np.float64],
    open_quotient: float,
    breathiness: float,
    hop: int,
    sample_rate: float,
) -> NDArray[np.float64]:
    """Run source and filters; cascade (n,K,3), frication (n,3), amplitudes (n,3), pitch (n,), noise (n*hop,2)."""
    frames, stages = cascade.shape[0], cascade.shape[1]
    output = np.zeros(frames * hop)
    memory = np.zeros((stages + 1, 2))
    phase = 0.0
    tilt = 0.0
    for frame in range(frames):
        step = pitch[frame] / sample_rate
        for sample in range(hop):
            n = frame * hop + sample
            # Amplitudes run linearly from frame to frame: steps would click.
            t = sample / hop
            after = min(frame + 1, frames - 1)
            voicing = amplitudes[frame, 0] * (1 - t) + amplitudes[after, 0] * t
            aspiration = amplitudes[frame, 1] * (1 - t) + amplitudes[after, 1] * t
            hiss = amplitudes[frame, 2] * (1 - t) + amplitudes[after, 2] * t
            phase += step
            if phase >= 1.0:
                phase -= 1.0
            # Derivative of the glottal flow 3x^2 - 2x^3 ... of Klatt & Klatt (1990): 2x - 3x^2 while open.
            pulse = 0.0
            is_open = phase < open_quotient
            if is_open:
                x = phase / open_quotient
                pulse = 2 * x - 3 * x * x
            tilt = 0.45 * tilt + 0.55 * pulse
            breath = aspiration + breathiness * voicing * (0.25 if is_open else 0.08)
            value = voicing * tilt + 0.35 * breath * noise[n, 0]
            for k in range(stages):
                y = cascade[frame, k, 0] * value + cascade[frame, k, 1] * memory[k, 0]
                y += cascade[frame, k, 2] * memory[k, 1]
                memory[k, 1] = memory[k, 0]
                memory[k, 0] = y
                value = y
            y = frication[frame, 0] * hiss * noise[n, 1] + frication[frame, 1] * memory[stages, 0]
            y += frication[frame, 2] * memory[stages, 1]
            memory[stages, 1] = memory[stages, 0]
            memory[stages, 0] = y
            output[n] = value + y
    return output


def synthesise(
    phones: Sequence[Phone], pitch: NDArray[np.float64], duration: float, source: Source, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Speak timed phones.

    Args:
        phones: in order of time; gaps are silent.
        pitch: (n,) Hz, one per 5 ms control frame, n = ceil(200 duration) + 1.
        duration: seconds.
        source: constants of the voice.
        rng: draws the noise.

    Returns:
        (T,) float64 waveform, T = round(22000 duration), of arbitrary level.

    Raises:
        ValueError: `pitch` has the wrong length.
    """
    tracks = controls(phones, duration)
    frames = len(tracks.voicing)
    if pitch.shape != (frames,):
        raise ValueError(f"pitch must have one value per 5 ms frame, shape ({frames},), not {pitch.shape}")
    scale = source.formant_scale
    higher = np.array(_HIGHER_FORMANTS, dtype=float)
    frequencies = np.concatenate([tracks.formants, np.tile(higher[:, 0], (frames, 1))], axis=1) * scale
    widths = np.concatenate([tracks.bandwidths, np.tile(higher[:, 1], (frames, 1))], axis=1)
    cascade = _resonator(np.minimum(frequencies, 0.47 * SAMPLE_RATE), widths)
    frication = _resonator(np.minimum(tracks.frication_centre * scale, 8500.0), tracks.frication_bandwidth)
    # Unit gain at 0 Hz makes high resonances loud: bring them to unit gain at their peak instead.
    radius = np.exp(-np.pi * tracks.frication_bandwidth / SAMPLE_RATE)
    frication[:, 0] = (1 - radius) * 1.3
    amplitudes = np.stack([tracks.voicing, tracks.aspiration, tracks.frication], axis=1)
    noise = rng.standard_normal((frames * HOP, 2))
    output = _filter(
        cascade, frication, amplitudes, pitch.astype(float), noise, source.open_quotient, source.breathiness, HOP,
        float(SAMPLE_RATE),
    )  # fmt: skip
    return output[: round(duration * SAMPLE_RATE)]
