"""Clips as the dual-path network is trained on them: coefficients and features of speech, both 30 per second."""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from transformers import Wav2Vec2Model

from said.headpose.blocks import FPS, at_30, at_60
from said.headpose.dual_path import DualPath
from said.running.shapes import shaped
from said.speech import encode, normalise
from said.waveforms import SAMPLE_RATE, fit_length, frame_count, prepare_waveform, require_encodable


@dataclass(frozen=True)
class SpokenFace:
    """A clip.

    Attributes:
        name: "<speaker>/<sentence>".
        style: number of the speaker among the training speakers; None: not one of them.
        motion: (N, 32) float32 in [0, 1].
        speech: (N, H) features, see `semantic`.
    """

    name: str
    style: int | None
    motion: NDArray[np.float32] = field(repr=False)
    speech: NDArray[np.float32] = field(repr=False)

    @classmethod
    def of(
        cls, name: str, style: int | None, coefficients: NDArray, waveform: NDArray, rate: int, encoder: Wav2Vec2Model
    ) -> "SpokenFace":
        """A clip of coefficients (M, 32) at 60 frames per second and a waveform (T,) in [-1, 1] at `rate` Hz."""
        motion = np.ascontiguousarray(at_30(coefficients), np.float32)
        return cls(name, style, motion, semantic(encoder, waveform, rate, len(motion)).cpu().numpy())


@torch.no_grad()
@shaped
def semantic(encoder: Wav2Vec2Model, waveform: NDArray, rate: int, frames: int) -> Float[Tensor, "{frames} H"]:
    """What the speech encoder makes of a waveform (T,) at `rate` Hz: (frames, H), 30 per second.

    It is cut, or silence is put after it, to as long as the frames last.
    """
    heard = fit_length(prepare_waveform(waveform, rate), frames * SAMPLE_RATE // FPS)
    device = next(encoder.parameters()).device
    return encode(encoder, normalise(torch.from_numpy(heard).to(device)[None]), frames)[0]


def animate(model: DualPath, encoder: Wav2Vec2Model, waveform: NDArray, rate: int) -> NDArray[np.float32]:
    """Coefficients (N, 32) in [0, 1], 60 per second, for a waveform (T,) in [-1, 1] at `rate` Hz.

    Raises:
        ValueError: it is too short for the speech encoder.
    """
    frames = frame_count(len(waveform), rate)
    require_encodable(frames, "the speech")
    return at_60(model.animate(semantic(encoder, waveform, rate, -(-frames // 2))).cpu().numpy(), frames)
