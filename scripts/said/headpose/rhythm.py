"""What the head hears (supplement, Section 1.2): the rhythm encoder, and the fusion with what speech means.

Stated: six one-dimensional convolutions and a linear layer; four linear layers that fuse its features with those of the
semantic encoder, wav2vec 2.0. What the convolutions are given is not stated: the waveform, or a mel spectrogram.
"""

from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from said.headpose.features import BANDS
from said.running.shapes import shaped

RhythmInput = Literal["waveform", "mel", "loudness"]
SAMPLES_PER_FRAME = 640
"""Of 16 kHz at 25 frames a second; the product of the strides."""
_SLOPE = 0.2
INPUTS: dict[RhythmInput, int] = {"waveform": 1, "mel": BANDS, "loudness": 1}
"""Channels of what the encoder is given."""
_STRIDES, _KERNELS = (5, 4, 4, 2, 2, 2), (15, 9, 9, 5, 5, 5)  # of a waveform
_KERNELS_OF_FRAMES = (5, 5, 3, 3, 3, 3)
_SHARES = (1 / 2, 3 / 4, 1, 1, 1, 1)
"""Channels of each convolution over a waveform, as parts of the last one's."""


class RhythmEncoder(nn.Module):
    """Loudness and its changes, as features at 25 frames a second.

    Args:
        given: waveform, at 16 kHz; mel, log bands at 25 frames a second; or loudness, the logarithm of their sum, in
            which no word can be told from another of its rhythm.
        channels: of the last convolution.
        width: of the features.
    """

    def __init__(self, given: RhythmInput, channels: int, width: int):
        super().__init__()
        if given not in get_args(RhythmInput):
            raise ValueError(f"rhythm_input must be one of {', '.join(get_args(RhythmInput))}, not {given!r}")
        self.given, self.bands = given, INPUTS[given]
        self.convolutions = nn.Sequential()
        before = INPUTS[given]
        one = (1,) * len(_STRIDES)
        shapes = (_STRIDES, _KERNELS, _SHARES) if given == "waveform" else (one, _KERNELS_OF_FRAMES, one)
        for stride, kernel, share in zip(*shapes, strict=True):
            after = max(1, round(channels * share))
            self.convolutions.extend(
                [
                    nn.Conv1d(before, after, kernel, stride, padding=kernel // 2),
                    nn.BatchNorm1d(after),
                    nn.LeakyReLU(_SLOPE),
                ]
            )
            before = after
        self.linear = nn.Linear(before, width)

    @shaped
    def forward(self, heard: Float[Tensor, "B T"] | Float[Tensor, "B N bands"]) -> Float[Tensor, "B N width"]:
        """Features (B, N, width) of a waveform (B, 640 N) at 16 kHz in [-1, 1], log mel bands (B, N, 40) or loudness.

        Raises:
            ValueError: it is of the other kind, or no whole number of frames.
        """
        waveform = self.given == "waveform"
        if heard.ndim != (2 if waveform else 3) or (heard.shape[1] % SAMPLES_PER_FRAME if waveform else False):
            expected = f"a waveform (B, {SAMPLES_PER_FRAME} N)" if waveform else f"{self.given} (B, N, {self.bands})"
            raise ValueError(f"expected {expected}, got {tuple(heard.shape)}")
        signal = heard[:, None] if waveform else heard.transpose(1, 2)
        return self.linear(self.convolutions(signal).transpose(1, 2))


class Fusion(nn.Module):
    """One feature per token from both encoders': four linear layers, then the frames of a block are joined.

    A path that is switched off is fed zeros, so that all variants have the same parameters.

    Args:
        semantic: width of the speech encoder's features.
        rhythm: of the rhythm encoder's.
        hidden: of the layers between.
        width: of the result.
        block: frames of a token.
    """

    def __init__(self, semantic: int, rhythm: int, hidden: int, width: int, block: int):
        super().__init__()
        self.block = block
        sizes = [semantic + rhythm, hidden, hidden, width, width]
        self.layers = nn.Sequential()
        for before, after in zip(sizes, sizes[1:], strict=False):
            self.layers.extend([nn.Linear(before, after), nn.LeakyReLU(_SLOPE)])
        self.layers.pop(-1)
        self.join = nn.Linear(width * block, width)

    @shaped
    def forward(
        self, semantic: Float[Tensor, "B N semantic"], rhythm: Float[Tensor, "B N rhythm"]
    ) -> Float[Tensor, "B M width"]:
        """(B, N, ...) features of frames, N a multiple of `block` -> (B, N / block, width)."""
        fused = self.layers(torch.cat([semantic, rhythm], dim=-1))
        return self.join(fused.unflatten(1, (-1, self.block)).flatten(2))


def of_mel(given: RhythmInput, mel: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a rhythm encoder hears that is given no waveform: (N, 40) mel bands, or (N, 1) logarithms of their sums."""
    return np.logaddexp.reduce(mel, axis=1, keepdims=True) if given == "loudness" else mel


def as_heard(heard: Tensor) -> Tensor:
    """Waveforms of 16 bits in [-1, 1); mel bands as they are."""
    return heard.float() / 2**15 if heard.dtype == torch.int16 else heard
