"""Pauses in synthetic speech: before, within and after a sentence, in rooms from digitally silent to noisy.

The corpus of the paper has none, and a model that never heard silence moves its mouth in it.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from said.synthetic.formants import SAMPLE_RATE
from said.synthetic.phonetics import SILENCE, VOICELESS_STOPS, Phone
from said.synthetic.speech import Utterance

SILENT = 0.05
"""Share of the utterances with pauses that are nothing but one."""
_PIECE = 0.12
"""Seconds of a phone of silence at most: the mouth rests throughout a long pause, not in its middle alone."""
_INNER = 0.7
"""Pauses within a sentence that has no comma, on average."""


def with_pauses(utterance: Utterance, share: float, rng: np.random.Generator) -> Utterance:
    """An utterance with pauses, or as it is.

    Silences at the ends grow by up to two seconds and those at commas by up to one; others come before voiceless stops,
    where the sound is off already. Noise of a drawn level, often none, lies over all of it.

    Args:
        utterance: to pause in.
        share: how likely it is to get pauses, 0 to 1. One in twenty of those falls silent entirely.
        rng: draws where and how long; untouched where `share` is 0.
    """
    if not share or rng.random() >= share:
        return utterance
    if rng.random() < SILENT:
        return _silence(rng.uniform(1.5, 4.0), rng)
    rate, given = utterance.sample_rate, utterance.phones
    waveform: list[NDArray[np.float32]] = []
    phones: list[Phone] = []
    heard = 0
    for phone, seconds in zip(given, _lengths(given, rng), strict=True):
        start = phones[-1].end if phones else 0.0
        # Silence is let in half way through a pause, and into the closure of a stop, of which 60 % are silent.
        cut = phone.start + phone.duration * (0.5 if phone.symbol == SILENCE else 0.3)
        samples = round(seconds * rate)
        if samples:
            waveform += [utterance.waveform[heard : round(cut * rate)], np.zeros(samples, np.float32)]
            heard = round(cut * rate)
        end = start + phone.duration + samples / rate
        if phone.symbol == SILENCE:
            phones += _pieces(start, end)
        elif samples:
            paused = start + (cut - phone.start) + samples / rate
            phones += [*_pieces(start, paused), replace(phone, start=paused, end=end)]
        else:
            phones.append(replace(phone, start=start, end=end))
    waveform.append(utterance.waveform[heard:])
    whole = np.concatenate(waveform)
    whole += rng.standard_normal(len(whole)).astype(np.float32) * _room(rng)
    phones[-1] = replace(phones[-1], end=len(whole) / rate)
    return Utterance(utterance.text, whole, rate, tuple(phones))


def _silence(duration: float, rng: np.random.Generator) -> Utterance:
    """A recording of which nobody speaks."""
    samples = round(duration * SAMPLE_RATE)
    noise = rng.standard_normal(samples).astype(np.float32) * max(_room(rng), np.float32(1e-4))
    return Utterance("", noise, SAMPLE_RATE, tuple(_pieces(0.0, samples / SAMPLE_RATE)))


def _lengths(phones: Sequence[Phone], rng: np.random.Generator) -> list[float]:
    """Seconds of silence that are let into each phone."""
    stops = [
        index
        for index in range(1, len(phones))
        if phones[index].symbol in VOICELESS_STOPS and phones[index - 1].symbol != SILENCE
    ]
    lengths = []
    for index, phone in enumerate(phones):
        longest, likely = 0.0, 0.0
        if phone.symbol == SILENCE:
            longest, likely = 2.0 if index in (0, len(phones) - 1) else 1.0, 0.7
        elif index in stops:
            longest, likely = 1.0, _INNER / len(stops)
        lengths.append(float(rng.uniform(0.2, longest)) if rng.random() < likely else 0.0)
    return lengths


def _pieces(start: float, end: float) -> list[Phone]:
    """Phones of silence that cover a time."""
    borders = np.linspace(start, end, int(np.ceil((end - start) / _PIECE)) + 1).tolist()
    return [Phone(first, last, SILENCE) for first, last in zip(borders, borders[1:], strict=False)]


def _room(rng: np.random.Generator) -> np.float32:
    """Standard deviation of the noise of a room: none in three of ten, 1e-4 to 1e-2 in the others."""
    level = 10 ** rng.uniform(-4, -2)
    return np.float32(0.0 if rng.random() < 0.3 else level)
