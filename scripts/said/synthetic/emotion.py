"""Faces that speak in eight emotions: the stand-in for MEAD, from which the codebook of facial motion is learnt.

Motion alone, without sound and meshes. Brows are not among the 32 blendshapes, so an emotion is one of the lower face.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from said.arkit import SPEECH_BLENDSHAPES
from said.corpus import FRAME_RATE
from said.seeds import derive_seed
from said.synthetic.durations import schedule
from said.synthetic.sentences import sentences
from said.synthetic.trajectories import SpeakerStyle, coefficients, sample_style

FPS = 30
"""Frames per second of the motion, those of the source."""
_SPREAD = 0.15
"""Of the size of an emotion from one utterance to the next, on a logarithmic scale."""


@dataclass(frozen=True)
class Emotion:
    """How an emotion changes a speaker's way of moving.

    Attributes:
        level: of intensity, as MEAD counts it; of neutral there is the first alone.
        gain: scale of all blendshapes.
        gains: scale of some besides, by name; a name without Left or Right stands for both.
        rest: added to the face at rest, likewise.
    """

    level: int = 3
    gain: float = 1.0
    gains: dict[str, float] = field(default_factory=dict)
    rest: dict[str, float] = field(default_factory=dict)

    def applied(self, style: SpeakerStyle, size: float = 1.0) -> SpeakerStyle:
        """A speaker's style in this emotion, of which `size` scales what it adds to the face at rest."""
        rest = style.base + size * _values(self.rest, 0.0)
        return replace(style, gain=style.gain * self.gain * _values(self.gains, 1.0), base=rest)


EMOTIONS = {
    "neutral": Emotion(level=1),
    "happy": Emotion(rest={"mouthSmile": 0.45, "cheekSquint": 0.35, "mouthDimple": 0.12}),
    "sad": Emotion(gain=0.8, rest={"mouthFrown": 0.35, "mouthShrugLower": 0.18}),
    "surprised": Emotion(gains={"jawOpen": 1.3}, rest={"mouthFunnel": 0.12, "jawOpen": 0.06}),
    "fear": Emotion(rest={"mouthStretch": 0.35, "mouthUpperUp": 0.15}),
    "disgusted": Emotion(rest={"noseSneer": 0.45, "mouthUpperUp": 0.25}),
    "angry": Emotion(gain=1.2, rest={"mouthPress": 0.20, "noseSneer": 0.25, "jawForward": 0.10}),
    "contempt": Emotion(rest={"mouthSmileLeft": 0.35, "mouthDimpleLeft": 0.25, "mouthLeft": 0.06}),
}
"""MEAD's eight by their names there."""


def act_emotions(actors: int, utterances: int, seed: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Motion of several speakers in every emotion.

    They are made at 60 frames per second, of which every second one is kept, as of the corpus: so a coefficient
    changes by at most 0.2 from one frame to the next.

    Args:
        actors: number of speakers, who are none of the corpus.
        utterances: of each speaker in each emotion, no two with the same sentence.
        seed: decides everything.

    Yields:
        "<actor>_<sentence>_<emotion>_<level>", as files of MEAD's parameters are called; (N, 32) float32 in [0, 1].
    """
    texts = sentences(actors * len(EMOTIONS) * utterances, derive_seed(seed, "sentences"))
    for number in range(actors):
        rng = np.random.default_rng(derive_seed(seed, "actor", number))
        style, rate = sample_style(rng), float(np.exp(0.1 * rng.normal()))
        for name, emotion in EMOTIONS.items():
            for utterance in range(utterances):
                phones = schedule(texts.pop(), rate, rng)
                felt = emotion.applied(style, float(np.exp(_SPREAD * rng.normal())))
                motion = coefficients(phones, phones[-1].end, felt, rng, FRAME_RATE)[:: FRAME_RATE // FPS]
                key = f"actor{number + 1:02d}_{utterance + 1:03d}_{name}_{emotion.level}"
                yield key, motion.astype(np.float32)


def _values(named: dict[str, float], default: float) -> NDArray[np.float64]:
    """(32,) values of blendshapes by name."""
    values = {side: value for name, value in named.items() for side in (name, f"{name}Left", f"{name}Right")}
    return np.array([values.get(name, default) for name in SPEECH_BLENDSHAPES])
