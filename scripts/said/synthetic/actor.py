"""A synthetic speaker at work: a face, a voice and a style, and the takes that it records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from said.corpus import FRAME_RATE
from said.seeds import derive_seed
from said.synthetic import espeak, speech, trajectories
from said.synthetic.contact import LipContact
from said.synthetic.identities import Face
from said.synthetic.pauses import with_pauses
from said.synthetic.performance import perform
from said.synthetic.phonetics import Phone

SMOOTH_NOISE, WHITE_NOISE = 1.2e-4, 4e-5
"""Metres of `perform`'s two noises: together about 0.15 mm rms that no blendshape explains."""


@dataclass(frozen=True)
class Actor:
    """One speaker of the corpus.

    Attributes:
        index: number of the speaker, from 0.
        count: number of all speakers.
        seed: of the corpus.
        style: how the speaker moves.
    """

    index: int
    count: int
    seed: int
    style: trajectories.SpeakerStyle


@dataclass(frozen=True)
class Take:
    """One sentence, recorded.

    Attributes:
        utterance: the speech with its phones.
        coefficients: (N, 32) the true ones, in [0, 1].
        frames: (N, V, 3) float32 metres.
    """

    utterance: speech.Utterance
    coefficients: NDArray[np.float64]
    frames: NDArray[np.float32]


def cast(index: int, count: int, seed: int) -> Actor:
    """Speaker number `index`, from 0, of `count`; a seed always gives it the same voice and style.

    All voices are drawn together, so that no two are alike.
    """
    style = trajectories.sample_style(np.random.default_rng(derive_seed(seed, "style", index)))
    return Actor(index, count, seed, style)


def record(actor: Actor, face: Face, text: str, *, voice: str, noise: float, pauses: float = 0.0) -> Take:
    """Speak a sentence and move the face to it.

    Args:
        actor: the speaker.
        face: the speaker's face.
        text: the sentence.
        voice: "formant" or "espeak", the synthesiser.
        noise: scale of the motion outside the blendshapes, see `perform`; 1 is about 0.15 mm rms.
        pauses: how likely the sentence gets pauses, see `with_pauses`.

    Raises:
        ValueError: the formant synthesiser does not know a word.
        ModuleNotFoundError: espeak-ng is not installed.
    """
    if voice == "espeak":
        utterance = espeak.speak(text, espeak.sample_voices(actor.count, actor.seed)[actor.index])
    else:
        spoken = speech.sample_voices(actor.count, actor.seed)[actor.index]
        utterance = speech.speak(text, spoken, _rng(actor, "speech", text))
    utterance = with_pauses(utterance, pauses, _rng(actor, "pauses", text))
    return Take(utterance, *act(actor, face, utterance.phones, take=0, noise=noise))


def act(
    actor: Actor, face: Face, phones: Sequence[Phone], *, take: int, noise: float
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """The actor saying the phones. Every `take` is as valid as the recorded one, take 0.

    Returns:
        (N, 32) coefficients in [0, 1] and (N, V, 3) float32 metres.
    """
    spoken = " ".join(phone.symbol for phone in phones)
    rng = _rng(actor, "motion", spoken, take)
    coefficients = trajectories.coefficients(phones, phones[-1].end, actor.style, rng, FRAME_RATE)
    amounts = {"smooth_noise": noise * SMOOTH_NOISE, "white_noise": noise * WHITE_NOISE}
    return coefficients, perform(face, coefficients, _rng(actor, "noise", spoken, take), **amounts)


def face_arrays(face: Face) -> dict[str, NDArray[Any]]:
    """A face as named arrays, as a file can hold them."""
    arrays = {name: value for name, value in vars(face).items() if name != "lips"}
    return arrays | {f"lips_{name}": value for name, value in vars(face.lips).items()}


def face_of(arrays: Mapping[str, NDArray[Any]]) -> Face:
    """The inverse of `face_arrays`."""
    lips = {name.removeprefix("lips_"): value for name, value in arrays.items() if name.startswith("lips_")}
    return Face(lips=LipContact(**lips), **{name: arrays[name] for name in arrays if not name.startswith("lips_")})


def phone_table(phones: Sequence[Phone]) -> pd.DataFrame:
    """Phones as a table: start and end in seconds, symbol, stress and effort."""
    return pd.DataFrame([vars(phone) for phone in phones])


def phones_of(table: pd.DataFrame) -> list[Phone]:
    """The inverse of `phone_table`."""
    return [Phone(**row) for row in table.to_dict("records")]


def _rng(actor: Actor, *names: str | int) -> np.random.Generator:
    return np.random.default_rng(derive_seed(actor.seed, actor.index, *names))
