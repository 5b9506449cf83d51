"""Clips of generated people who speak and move their heads: the stand-in for VoxCeleb2's poses, with the truth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from said.headpose.clips import FRAME_RATE, FRAMES, SAMPLE_RATE, SAMPLES, Clip, Truth
from said.headpose.rotations import from_angles, relative_to_mean
from said.seeds import derive_seed
from said.synthetic.gesture import HeadStyle, Sentence, gestures, nevers, sample_head_style, stresses
from said.synthetic.phonetics import Phone
from said.synthetic.sentences import sentences
from said.synthetic.speech import Voice, sample_voices, speak
from said.waveforms import prepare_waveform

TAKES = 5
"""Other poses to the same speech that a clip has."""
_SENTENCES = 4  # more than eight seconds hold
_LAST_START = 7.0  # seconds: no sentence begins later


@dataclass(frozen=True)
class Talker:
    """A generated person: a name, a voice, and how the head moves."""

    name: str
    voice: Voice
    style: HeadStyle


def cast_talkers(count: int, seed: int) -> list[Talker]:
    """So many people, none with the voice of another; a seed always gives the same."""
    voices = sample_voices(count, derive_seed(seed, "voices") % 2**32)
    styles = (sample_head_style(np.random.default_rng(derive_seed(seed, "head style", k))) for k in range(count))
    return [Talker(f"voice{k:02d}", voice, style) for k, (voice, style) in enumerate(zip(voices, styles, strict=True))]


def write_texts(clips: int, never: float, seed: int) -> list[list[str]]:
    """Sentences for so many clips, more than there is time for, and none twice.

    Args:
        clips: how many clips.
        never: how likely a sentence is one with "never" in it; of the grammar's, one in thirteen is.
        seed: of the grammar, and of what is taken from it.
    """
    wanted = np.random.default_rng(derive_seed(seed, "never")).random((clips, _SENTENCES)) < never
    count, own = 25 * clips, derive_seed(seed, "sentences") % 2**32
    while True:
        drawn = sentences(count, own)
        negative = [text for text in drawn if "never" in text]
        positive = [text for text in drawn if "never" not in text]
        if len(negative) >= wanted.sum() and len(positive) >= (~wanted).sum():
            break
        count *= 2
    kinds = {True: iter(negative), False: iter(positive)}
    return [[next(kinds[bool(one)]) for one in row] for row in wanted]


def record_talk(talker: Talker, texts: Sequence[str], seed: int) -> Clip:
    """Eight seconds of a person who speaks these sentences, one after the other, until there is no time for another.

    Args:
        talker: who speaks.
        texts: the sentences.
        seed: of the delivery, the pauses and the takes.

    Raises:
        ValueError: a word has no pronunciation.
    """
    rng = np.random.default_rng(derive_seed(seed, "speech"))
    waveform = 3e-4 * rng.standard_normal(SAMPLES)  # the room
    phones: list[Phone] = []
    spans: list[Sentence] = []
    start = rng.uniform(0.1, 0.4)
    for text in texts:
        if start >= _LAST_START:
            break
        utterance = speak(text, talker.voice, rng)
        place = round(start * SAMPLE_RATE)
        spoken = prepare_waveform(utterance.waveform, utterance.sample_rate)[: SAMPLES - place]
        waveform[place : place + len(spoken)] += spoken
        phones += [
            Phone(start + phone.start, start + phone.end, phone.symbol, phone.stress, phone.effort)
            for phone in utterance.phones
        ]
        spans.append(Sentence(start, start + utterance.duration, text.strip().endswith("?")))
        start += utterance.duration + rng.uniform(0.15, 0.5)
    poses = [_pose(talker, phones, spans, derive_seed(seed, "take", take)) for take in range(1 + TAKES)]
    audio = np.clip(np.round(waveform * 2**15), -(2**15), 2**15 - 1).astype(np.int16)
    return Clip(poses[0], audio, _truth(talker, phones, spans, np.stack(poses[1:])))


def _pose(talker: Talker, phones: Sequence[Phone], spans: Sequence[Sentence], seed: int) -> NDArray[np.float32]:
    degrees = gestures(phones, spans, talker.style, np.random.default_rng(seed), FRAME_RATE, FRAMES)
    return relative_to_mean(from_angles(degrees)).astype(np.float32)


def _truth(talker: Talker, phones: Sequence[Phone], spans: Sequence[Sentence], takes: NDArray[np.float32]) -> Truth:
    end = FRAMES / FRAME_RATE
    stressed, negated = stresses(phones), nevers(phones)
    times = [(span.start, min(span.end, end), span.question) for span in spans]
    return Truth(
        takes=takes,
        stresses=stressed[stressed[:, 0] < end],
        questions=np.array([(first, last) for first, last, asks in times if asks]).reshape(-1, 2),
        statements=np.array([(first, last) for first, last, asks in times if not asks]).reshape(-1, 2),
        nevers=negated[negated < end],
        tilt=np.array(talker.style.tilt),
    )
