"""Synthetic speech: sentences spoken by seeded voices, with the times of their phones."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from said.synthetic.durations import schedule
from said.synthetic.formants import HOP, SAMPLE_RATE, Source, synthesise
from said.synthetic.phonetics import PHONES, SILENCE, VOWELS, Phone

__all__ = ["PHONES", "SAMPLE_RATE", "Phone", "Utterance", "Voice", "sample_voices", "speak", "speak_phones"]


@dataclass(frozen=True)
class Utterance:
    """A spoken sentence.

    Attributes:
        text: the sentence.
        waveform: (T,) float32 in [-1, 1].
        sample_rate: Hz.
        phones: contiguous from 0 s to the end, silences included.
    """

    text: str
    waveform: NDArray[np.float32]
    sample_rate: int
    phones: tuple[Phone, ...]

    @property
    def duration(self) -> float:
        """Length of the waveform in seconds."""
        return len(self.waveform) / self.sample_rate


@dataclass(frozen=True)
class Voice:
    """What distinguishes one speaker's voice from another's.

    Attributes:
        f0: median fundamental frequency in Hz.
        tract: scale of the formants, the inverse of the vocal tract's length; 1 = male average.
        rate: speaking rate; 1 = about 130 words a minute.
        breathiness: 0 clear to 1 whispery.
        pitch_range: size of the intonation; 1 = ordinary, 0 = monotone.
        open_quotient: part of a period in which the glottis is open, 0.4 (pressed) to 0.8 (lax).
    """

    f0: float = 110.0
    tract: float = 1.0
    rate: float = 1.0
    breathiness: float = 0.15
    pitch_range: float = 1.0
    open_quotient: float = 0.6


def sample_voices(count: int, seed: int) -> list[Voice]:
    """Draw distinct voices that alternate between a low and a high register.

    Args:
        count: how many, at least 1.
        seed: the same seed gives the same voices.

    Raises:
        ValueError: `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"at least one voice is needed, not {count}")
    rng = np.random.default_rng([seed, 0x701CE])
    per_register = (count + 1) // 2
    # Stratified: each register is cut into as many bands as it has voices, so that no two coincide.
    bands = np.stack([rng.permutation(per_register) for _ in range(4)]) + rng.uniform(0.2, 0.8, (4, per_register))
    low_f0, high_f0, low_tract, high_tract = bands / per_register
    voices = []
    for index in range(count):
        band, high = index // 2, index % 2 == 1
        voices.append(
            Voice(
                f0=float(165 + 60 * high_f0[band] if high else 88 + 40 * low_f0[band]),
                tract=float(1.09 + 0.13 * high_tract[band] if high else 0.95 + 0.10 * low_tract[band]),
                rate=float(np.clip(np.exp(0.07 * rng.normal()), 0.88, 1.14)),
                breathiness=float(rng.uniform(0.15, 0.5) if high else rng.uniform(0.05, 0.3)),
                pitch_range=float(rng.uniform(0.7, 1.3)),
                open_quotient=float(rng.uniform(0.58, 0.72) if high else rng.uniform(0.5, 0.64)),
            )
        )
    return voices


def _intonation(
    phones: Sequence[Phone], duration: float, voice: Voice, question: bool, rng: np.random.Generator
) -> NDArray[np.float64]:
    """(n,) Hz per 5 ms frame: declination, an accent on each stressed vowel, a final fall or rise, and drift."""
    frames = int(np.ceil(duration * SAMPLE_RATE / HOP)) + 1
    times = (np.arange(frames) + 0.5) * HOP / SAMPLE_RATE
    semitones = 2.0 - 4.0 * times / duration
    for phone in phones:
        if phone.symbol in VOWELS and phone.stress == 1:
            centre = phone.start + 0.4 * phone.duration
            height = 2.2 * phone.effort * np.exp(0.25 * rng.normal())
            semitones += height * np.exp(-0.5 * ((times - centre) / 0.075) ** 2)
    spoken_end = max(phone.end for phone in phones if phone.symbol != SILENCE)
    final = np.clip((times - (spoken_end - 0.3)) / 0.3, 0, 1)
    semitones += (4.0 if question else -3.0) * final
    drift = np.cumsum(rng.normal(size=frames)) / np.sqrt(frames)
    jitter = 0.08 * rng.normal(size=frames)
    return voice.f0 * 2 ** ((voice.pitch_range * (semitones + 0.6 * (drift - drift.mean())) + jitter) / 12)


def speak_phones(
    text: str, phones: Sequence[Phone], voice: Voice, rng: np.random.Generator, question: bool = False
) -> Utterance:
    """Synthesise phones whose times are known already.

    Args:
        text: kept in the result only.
        phones: contiguous, from 0 s.
        voice: the speaker.
        rng: draws intonation and noise.
        question: end with a rise instead of a fall.
    """
    samples = round(phones[-1].end * SAMPLE_RATE)
    duration = samples / SAMPLE_RATE
    phones = (*phones[:-1], replace(phones[-1], end=duration))
    source = Source(voice.tract, voice.breathiness, voice.open_quotient)
    pitch = _intonation(phones, duration, voice, question, rng)
    waveform = synthesise(phones, pitch, duration, source, rng)
    waveform *= 0.7 / np.abs(waveform).max()
    waveform += 3e-4 * rng.standard_normal(len(waveform))  # the room: digital silence breaks log spectra
    return Utterance(text, waveform.astype(np.float32), SAMPLE_RATE, phones)


def speak(text: str, voice: Voice, rng: np.random.Generator) -> Utterance:
    """Speak a sentence whose words are in :data:`said.synthetic.lexicon.LEXICON`.

    Args:
        text: a sentence of :func:`said.synthetic.sentences.sentences`, or any other of its words.
        voice: the speaker.
        rng: draws durations, effort, intonation and noise; the same state gives the same bytes.

    Raises:
        ValueError: a word has no pronunciation.
    """
    phones = schedule(text, voice.rate, rng)
    asks_yes_or_no = text.strip().endswith("?") and not text.lower().startswith(("who", "why", "where", "when"))
    return speak_phones(text, phones, voice, rng, asks_yes_or_no)
