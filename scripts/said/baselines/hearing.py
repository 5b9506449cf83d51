"""What VOCA hears: DeepSpeech's logits, or what stands in for them where its published graph is not at hand.

The stand-in is of this project, not of the paper. It has the shape of DeepSpeech's logits, 29 numbers 50 times per
second, and none of its meaning: the strongest principal components of the states of a wav2vec 2.0.
"""

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import Wav2Vec2Model

from said.baselines import deepspeech
from said.baselines.deepspeech import CHARACTERS, RATE, DeepSpeech
from said.running.shapes import shaped
from said.speech import encode, normalise
from said.waveforms import SAMPLE_RATE, prepare_waveform


class Components(nn.Module):
    """The stand-in: 29 principal components of a speech encoder's states.

    Args:
        width: of the states.
    """

    mean: Tensor
    axes: Tensor

    def __init__(self, width: int):
        super().__init__()
        if width < CHARACTERS:
            raise ValueError(f"states of {width} numbers have no {CHARACTERS} components; use a wider speech encoder")
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("axes", torch.zeros(CHARACTERS, width))

    @classmethod
    def of(cls, states: Iterable[Float[Tensor, "T H"]]) -> "Components":
        """The components of the states (T, H) of several utterances, the strongest first.

        Together they vary by 1 per number, as VOCA's inputs have one scale. Each points to where its largest weight is
        above 0, so that the same states give the same components.
        """
        count, total, square = 0, torch.tensor(0.0), torch.tensor(0.0)
        for one in states:
            one = one.cpu().double()
            count, total, square = count + len(one), total + one.sum(0), square + one.T @ one
        mean = total / count
        values, vectors = torch.linalg.eigh(square / count - mean[:, None] * mean)
        axes = vectors.flip(1)[:, :CHARACTERS].T
        signs = axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
        scale = values.clamp(min=0).flip(0)[:CHARACTERS].mean().sqrt().clamp(min=1e-12)
        made = cls(len(mean))
        made.mean.copy_(mean)
        made.axes.copy_(axes * signs / scale)
        return made

    @shaped
    def forward(self, states: Float[Tensor, "T H"]) -> Float[Tensor, "T 29"]:
        """Components (T, 29) of states (T, H)."""
        return (states - self.mean) @ self.axes.T


@torch.no_grad()
@shaped
def encoder_states(encoder: Wav2Vec2Model, waveform: NDArray, rate: int) -> Float[Tensor, "T H"]:
    """States (T, H) of a speech encoder, 50 per second, for a waveform (samples,) in [-1, 1] at `rate` Hz."""
    heard = prepare_waveform(waveform, rate)
    device = next(encoder.parameters()).device
    frames = max(1, round(len(heard) / SAMPLE_RATE * RATE))
    return encode(encoder, normalise(torch.from_numpy(heard).to(device)[None]), frames)[0]


def logits(hearing: nn.Module, encoder: Wav2Vec2Model, waveform: NDArray, rate: int) -> NDArray[np.float32]:
    """What VOCA hears of an utterance, (T, 29), 50 per second.

    Args:
        hearing: `DeepSpeech`, or `Components` of the encoder's states.
        waveform: (samples,) in [-1, 1] at `rate` Hz.
    """
    if isinstance(hearing, DeepSpeech):
        samples = np.clip(np.round(np.asarray(waveform, np.float64) * 32768), -32768, 32767).astype(np.int16)
        heard = hearing(deepspeech.inputs(samples, rate))
    else:
        with torch.no_grad():
            heard = hearing(encoder_states(encoder, waveform, rate))
    return heard.cpu().numpy()
