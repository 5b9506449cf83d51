"""Long speech as the denoiser sees it: the speech encoder by blocks with context, in constant memory.

What the encoder takes from the whole clip, it takes from the whole clip here too: the mean and the deviation of the
waveform, the statistics of its first layer's normalisation, and where each frame lies between its features. Only the
self-attention of its transformer sees a block and what is around it.
"""

import math
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import Wav2Vec2Model

from said.corpus import FRAME_RATE
from said.speech import contextualise, encode_clip, receptive_field
from said.waveforms import SAMPLE_RATE

BLOCK = 1200
"""Frames of a block. Speech of at most this length is encoded in one piece."""
CONTEXT = 150
"""Frames on either side that a block is encoded with: more than a window of the paper's training."""
_PASS = 30 * SAMPLE_RATE
"""Samples that are looked at together for what is taken from the whole clip."""
_CHUNK = 100
"""Features, of 20 ms, that are convolved together: what is between the layers stays in a processor's cache."""


@runtime_checkable
class Samples(Protocol):
    """Speech at 16 kHz that is read in parts."""

    samples: int

    def read(self, begin: int, end: int) -> NDArray[np.float32]:
        """(end - begin,) samples; silence beyond the end."""
        ...


class SpeechFeatures:
    """Features of a clip, one per frame, of which any part can be read; best in turn.

    Args:
        encoder: the speech encoder, in evaluation mode.
        speech: at 16 kHz.
        frames: of the clip; speech is cut or filled with silence to that length.
        block, context: see `BLOCK` and `CONTEXT`.
    """

    def __init__(
        self, encoder: Wav2Vec2Model, speech: Samples, frames: int, block: int = BLOCK, context: int = CONTEXT
    ):
        self.encoder, self.speech, self.frames = encoder, speech, frames
        self.block, self.context = block, context
        self.device = next(encoder.parameters()).device
        self._blocks: dict[int, Tensor] = {}
        self._convolutions: _Convolutions | None = None

    def read(self, begin: int, end: int) -> Tensor:
        """(end - begin, H) features of the frames from `begin`."""
        first, last = begin // self.block, (end - 1) // self.block
        for number in range(first, last + 1):
            if number not in self._blocks:
                self._blocks[number] = self._encode(number)
        for number in [number for number in self._blocks if number < first - 1 or number > last]:
            del self._blocks[number]
        features = torch.cat([self._blocks[number] for number in range(first, last + 1)])
        return features[begin - first * self.block : end - first * self.block]

    @torch.no_grad()
    def _encode(self, number: int) -> Tensor:
        if self.frames <= self.block:
            samples = self.frames * SAMPLE_RATE // FRAME_RATE
            return encode_clip(self.encoder, self.speech.read(0, samples), self.frames)
        if self._convolutions is None:
            self._convolutions = _Convolutions(self.encoder, self.speech, self.frames * SAMPLE_RATE // FRAME_RATE)
        begin, end = number * self.block, min(self.frames, (number + 1) * self.block)
        first, last = max(0, begin - self.context), min(self.frames, end + self.context)
        positions = np.arange(first, last) * ((self._convolutions.features - 1) / (self.frames - 1))
        below = np.minimum(positions.astype(int), self._convolutions.features - 2)
        features = self._convolutions.convolve(int(below[0]), int(below[-1]) + 2)  # (F, C)
        share = torch.from_numpy((positions - below).astype(np.float32)).to(self.device)[:, None]
        index = torch.from_numpy(below - below[0]).to(self.device)
        between = features[index] * (1 - share) + features[index + 1] * share
        return contextualise(self.encoder, between[None])[0, begin - first : end - first].clone()


class _Convolutions:
    """The convolutional part of the encoder: it knows what it must of the whole clip, and gives features in parts.

    Attributes:
        features: how many the convolutional part makes of the clip.
    """

    def __init__(self, encoder: Wav2Vec2Model, speech: Samples, samples: int):
        self.encoder, self.speech = encoder, speech
        self.device = next(encoder.parameters()).device
        self.layers: list[Any] = list(encoder.feature_extractor.conv_layers)
        self.stride = math.prod(encoder.config.conv_stride)
        self.reach = receptive_field(encoder.config)
        self.features = (samples - self.reach) // self.stride + 1
        total = square = 0.0
        for begin in range(0, samples, _PASS):
            part = speech.read(begin, min(samples, begin + _PASS)).astype(np.float64)
            total, square = total + part.sum(), square + np.square(part).sum()
        self._chunks: dict[int, Tensor] = {}
        self.mean = total / samples
        self.deviation = math.sqrt(max(0.0, square / samples - self.mean**2) + 1e-7)
        self.first: tuple[Tensor, Tensor] | None = None
        if isinstance(getattr(self.layers[0], "layer_norm", None), nn.GroupNorm):
            self.first = self._first_layer(samples)

    def _first_layer(self, samples: int) -> tuple[Tensor, Tensor]:
        """Weight and bias of the first convolution and its normalisation in one, which is over the whole clip."""
        kernel, stride = self.encoder.config.conv_kernel[0], self.encoder.config.conv_stride[0]
        count = (samples - kernel) // stride + 1
        step = SAMPLE_RATE // stride  # a second, whose sums in single precision are good to the last digits
        total = square = torch.zeros(self.encoder.config.conv_dim[0], dtype=torch.float64, device=self.device)
        for begin in range(0, count, step):
            end = min(count, begin + step)
            made = self.layers[0].conv(self._samples(begin * stride, (end - 1) * stride + kernel))[0]
            total = total + made.sum(1, dtype=torch.float64)
            square = square + made.square().sum(1, dtype=torch.float64)
        mean = total / count
        variance = (square / count - mean.square()).clamp(min=0)
        conv, norm = self.layers[0].conv, self.layers[0].layer_norm
        scale = norm.weight / (variance + norm.eps).sqrt()
        bias = norm.bias - mean * scale  # the mean is of what the convolution gives, its own bias included
        if conv.bias is not None:
            bias = bias + conv.bias * scale
        return (conv.weight * scale[:, None, None]).float(), bias.float()

    def _samples(self, begin: int, end: int) -> Tensor:
        """(1, 1, T) normalised samples."""
        part = torch.from_numpy(self.speech.read(begin, end)).to(self.device)
        return ((part - self.mean) / self.deviation)[None, None]

    def convolve(self, begin: int, end: int) -> Tensor:
        """(end - begin, C) features of the convolutional part; best in turn, since the last ones are kept."""
        first, last = begin // _CHUNK, (end - 1) // _CHUNK
        for number in [number for number in self._chunks if not first <= number <= last]:
            del self._chunks[number]
        for number in range(first, last + 1):
            if number not in self._chunks:
                self._chunks[number] = self._convolve(number * _CHUNK, min(self.features, (number + 1) * _CHUNK))
        features = torch.cat([self._chunks[number] for number in range(first, last + 1)])
        return features[begin - first * _CHUNK : end - first * _CHUNK]

    def _convolve(self, begin: int, end: int) -> Tensor:
        hidden = self._samples(begin * self.stride, (end - 1) * self.stride + self.reach)
        for number, layer in enumerate(self.layers):
            if number == 0 and self.first is not None:
                hidden = layer.activation(F.conv1d(hidden, *self.first, stride=layer.conv.stride))
            else:
                hidden = layer(hidden)
        return hidden[0].T
