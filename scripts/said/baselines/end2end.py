"""end2end_AU_speech (Pham et al. 2018): convolutions over a frame's spectrogram, a GRU over frames, coefficients.

The weights keep the names and shapes of the authors' framework, CNTK, whose GRU is not PyTorch's.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from said.arkit import SPEECH_BLENDSHAPES
from said.files.tensors import load_strict
from said.running.shapes import shaped

SAMPLE_RATE = 44100
"""Hz, of the audio that spectrograms are taken from."""
FREQUENCIES, STEPS = 128, 32
"""Rows and columns of a spectrogram."""
Encoder = Literal["five", "eight"]
_FFT, _HOP = 256, 128
_REACH = (STEPS - 1) * _HOP
"""Samples that a frame's spectrogram is of, all before the frame's end."""
_RANGE = 80.0
"""Decibels below the loudest at which a spectrogram ends."""
_LEAST = 1e-5
_FRAMES_AT_ONCE = 256
_MEMORY = 5000.0
"""Frames over which running statistics forget all but 1/e."""


@shaped
def spectrograms(audio: ArrayLike, fps: float, frames: int | None = None) -> Float32[np.ndarray, "N 128 32"]:
    """The 90 ms before the end of every frame, as decibels below the loudest of them.

    Every frame is measured against itself: its loudness is lost, and in digital silence everything is the loudest.

    Args:
        audio: (T,) at 44.1 kHz.
        fps: frames per second. A frame has a whole number of samples, 44100 / fps rounded down.
        frames: how many. None: those that the audio reaches into.

    Returns:
        (N, 128, 32) in [0, 1], frequencies below Nyquist's by steps of 2.9 ms: 0 is the loudest, 1 is 80 dB below it.
        Beyond the audio's ends is silence.

    Raises:
        ValueError: the audio is not (T,), is empty or not finite; or no video has that frame rate or number of frames.
    """
    samples = np.asarray(audio, np.float64)
    if samples.ndim != 1 or len(samples) == 0 or not np.isfinite(samples).all():
        raise ValueError(f"expected finite audio (T >= 1,), got {samples.shape}")
    if not 0 < fps <= SAMPLE_RATE:
        raise ValueError(f"fps must be above 0 and at most {SAMPLE_RATE}, not {fps}")
    step = int(SAMPLE_RATE // fps)
    count = -(-len(samples) // step) if frames is None else frames
    if count < 0:
        raise ValueError(f"the number of frames must be at least 0, not {count}")
    padded = np.pad(samples, (_REACH, max(0, step * count - len(samples))))
    # (N, 3968): the window of frame f ends with its last sample, number step * (f + 1) of the audio.
    windows = np.lib.stride_tricks.sliding_window_view(padded, _REACH)[step : step * count + 1 : step]
    result = np.empty((count, FREQUENCIES, STEPS), np.float32)
    for first in range(0, count, _FRAMES_AT_ONCE):
        result[first : first + _FRAMES_AT_ONCE] = _below_loudest(windows[first : first + _FRAMES_AT_ONCE])
    return result


def _below_loudest(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 3968) samples -> (N, 128, 32), in double precision: near -80 dB single is off by a thousandth."""
    mirrored = np.pad(windows, ((0, 0), (_FFT // 2, _FFT // 2)), mode="reflect")
    pieces = np.lib.stride_tricks.sliding_window_view(mirrored, _FFT, axis=1)[:, ::_HOP]  # (N, 32, 256)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FFT) / _FFT)
    magnitudes = np.abs(np.fft.rfft(pieces * hann)).transpose(0, 2, 1)  # (N, 129, 32)
    loudest = magnitudes.max((1, 2), keepdims=True)
    decibels = 20 * np.log10(np.maximum(loudest, _LEAST) / np.maximum(magnitudes, _LEAST))
    return np.minimum(decibels, _RANGE)[:, :FREQUENCIES] / _RANGE


class End2End(nn.Module):
    """The network.

    Args:
        outputs: coefficients of a frame.
        width: channels of the first convolution; each of the next four has twice as many.
        hidden: cells of the GRU.
        encoder: eight convolutions, as published; or five, whose last three are maxima over time, as the paper has it.
        pooling: steps of which those maxima are taken: 2, or 3, the kernel of the convolutions that they stand for.
        dropout: between GRU and output, in training.
    """

    def __init__(
        self,
        outputs: int = len(SPEECH_BLENDSHAPES),
        width: int = 32,
        hidden: int = 256,
        encoder: Encoder = "five",
        pooling: Literal[2, 3] = 2,
        dropout: float = 0.2,
    ):
        super().__init__()
        if encoder not in ("five", "eight") or pooling not in (2, 3):
            raise ValueError(f"encoder must be five or eight, pooling 2 or 3; not {encoder!r} and {pooling!r}")
        self.pooling, self.dropout = pooling, dropout
        widths = [1, *(width * 2**i for i in range(5))]
        self.over_frequency = [f"conv{i}" for i in range(1, 6)]
        self.over_time = [f"t_conv{i}" for i in range(1, 4)] if encoder == "eight" else []
        for name, before, after in zip(self.over_frequency, widths, widths[1:], strict=False):
            self.add_module(name, _Convolution(before, after, (5 if before == 1 else 3, 1), (2, 1)))
        for name in self.over_time:
            self.add_module(name, _Convolution(widths[-1], widths[-1], (1, 3), (1, 2)))
        self.gru = _GRU(widths[-1] * (FREQUENCIES // 2**5) * (STEPS // 2**3), hidden)
        self.output = _Dense(hidden, outputs)

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor], *, pooling: Literal[2, 3] = 2) -> "End2End":
        """A model with given weights, in evaluation mode and single precision; sizes are read off their shapes.

        Raises:
            ValueError: lists every missing, unexpected and misshapen key.
        """

        def size(name: str, axis: int, default: int) -> int:
            tensor = state.get(name)
            return tensor.shape[axis] if tensor is not None and tensor.ndim > axis else default

        encoder: Encoder = "eight" if any(name.startswith("t_conv") for name in state) else "five"
        outputs = size("output.bias", 0, len(SPEECH_BLENDSHAPES))
        with torch.device("meta"):
            model = cls(outputs, size("conv1.weight", 0, 32), size("gru.H1", 0, 256), encoder, pooling)
        given = {name: tensor.to(torch.float32, copy=True) for name, tensor in state.items()}
        load_strict(model, given, "the state dict", assign=True)
        return model.eval()

    @shaped
    def encode(self, spectrogram: Float[Tensor, "N 128 32"]) -> Float[Tensor, "N F"]:
        """Features (N, F) of spectrograms (N, 128, 32); each is of its own frame alone."""
        hidden = spectrogram[:, None]
        for name in (*self.over_frequency, *self.over_time):
            hidden = self.get_submodule(name)(hidden)
        if not self.over_time:
            for _ in range(3):
                hidden = F.max_pool2d(hidden, (1, self.pooling), (1, 2), (0, (self.pooling - 1) // 2))
        return hidden.flatten(1)

    @shaped
    def forward(
        self, spectrogram: Float[Tensor, "N 128 32"], lengths: Sequence[int] | None = None
    ) -> Float[Tensor, "N K"]:
        """Coefficients (N, outputs) in (0, 1) of spectrograms (N, 128, 32).

        Args:
            spectrogram: of one clip, or of several one after the other.
            lengths: frames of each clip. None: all are of one.

        Raises:
            ValueError: the spectrograms are of another shape, or the lengths do not add up to N.
        """
        if spectrogram.ndim != 3 or spectrogram.shape[1:] != (FREQUENCIES, STEPS):
            raise ValueError(f"expected spectrograms (N, {FREQUENCIES}, {STEPS}), got {tuple(spectrogram.shape)}")
        lengths = [len(spectrogram)] if lengths is None else list(lengths)
        if sum(lengths) != len(spectrogram) or min(lengths, default=0) < 0:
            raise ValueError(f"clips of {lengths} frames do not add up to {len(spectrogram)}")
        states = self.gru(self.encode(spectrogram), lengths)
        return torch.sigmoid(self.output(F.dropout(states, self.dropout, self.training)))

    @torch.no_grad()
    @shaped
    def animate(self, audio: ArrayLike, fps: float, frames: int | None = None) -> Float[Tensor, "N K"]:
        """Coefficients (N, outputs) in (0, 1) of audio (T,) at 44.1 kHz; arguments and errors as `spectrograms`."""
        features = torch.from_numpy(spectrograms(audio, fps, frames)).to(self.output.weight)
        parts = [self.encode(part) for part in features.split(_FRAMES_AT_ONCE)]
        states = self.gru(torch.cat(parts), [len(features)])
        return torch.sigmoid(self.output(states))


class _Convolution(nn.Module):
    """Convolution without bias, normalisation, leaky ReLU: half as many rows or columns."""

    def __init__(self, before: int, after: int, kernel: tuple[int, int], stride: tuple[int, int]):
        super().__init__()
        self.stride, self.padding = stride, (kernel[0] // 2, kernel[1] // 2)
        self.weight = nn.Parameter(torch.empty(after, before, *kernel))
        nn.init.kaiming_normal_(self.weight)
        self.bn = _Normalisation(after)

    def forward(self, hidden: Tensor) -> Tensor:
        if hidden.shape[1] == 1:
            # A product of matrices: on a CPU, convolutions of one channel take several times as long.
            (size, _), (rows, _) = self.weight.shape[2:], self.padding
            windows = F.pad(hidden[:, 0], (0, 0, rows, rows)).unfold(1, size, self.stride[0])  # (N, R, C, size)
            made = F.linear(windows, self.weight.flatten(1)).permute(0, 3, 1, 2).contiguous()
        else:
            # Channels beside each other: on a CPU a quarter faster where they are few, no slower where many.
            hidden = hidden.contiguous(memory_format=torch.channels_last)
            made = F.conv2d(hidden, self.weight, None, self.stride, self.padding)
        return F.leaky_relu(self.bn(made), 0.01)


class _Normalisation(nn.Module):
    """Batch normalisation whose running statistics forget by the frame, not by the step."""

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, hidden: Tensor) -> Tensor:
        share = 1 - math.exp(-len(hidden) / _MEMORY)
        return F.batch_norm(hidden, self.mean, self.variance, self.scale, self.bias, self.training, share, 1e-5)


class _GRU(nn.Module):
    """CNTK's: the state is reset before it is multiplied, and each gate has one bias.

    Columns of W and b: update, reset, candidate; of H: update, reset; H1 is the candidate's.
    """

    def __init__(self, inputs: int, hidden: int):
        super().__init__()
        self.W = nn.Parameter(torch.empty(inputs, 3 * hidden))
        self.H = nn.Parameter(torch.empty(hidden, 2 * hidden))
        self.H1 = nn.Parameter(torch.empty(hidden, hidden))
        self.b = nn.Parameter(torch.zeros(3 * hidden))
        for weight in (self.W, self.H, self.H1):
            nn.init.xavier_uniform_(weight)

    def forward(self, inputs: Tensor, lengths: Sequence[int]) -> Tensor:
        """(N, inputs) of clips one after the other -> (N, hidden)."""
        made = torch.addmm(self.b, inputs, self.W)  # of all frames at once: it is what costs
        clips = nn.utils.rnn.pad_sequence(list(made.split(list(lengths)))) if lengths else made[:, None]
        width = len(self.H1)
        state = made.new_zeros(clips.shape[1], width)
        states = []
        for gates, candidate in zip(clips[..., : 2 * width], clips[..., 2 * width :], strict=True):
            update, reset = torch.sigmoid(torch.addmm(gates, state, self.H)).chunk(2, 1)
            candidate = torch.tanh(torch.addmm(candidate, reset * state, self.H1))
            state = candidate + update * (state - candidate)
            states.append(state)
        if not states:
            return made[:, :width]
        whole = torch.stack(states, 1)  # (clips, longest, hidden)
        return torch.cat([clip[:length] for clip, length in zip(whole, lengths, strict=True)])


class _Dense(nn.Module):
    """A linear layer with weights (inputs, outputs)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, hidden: Tensor) -> Tensor:
        return torch.addmm(self.bias, hidden, self.weight)


@shaped
def losses(
    predicted: Float[Tensor, "N K"],
    target: Float[Tensor, "N K"],
    inverse_std: Float[Tensor, " K"] | None = None,
    sparsity: float = 0.1,
) -> dict[str, Float[Tensor, ""]]:
    """What is minimised: squared errors in units of each coefficient's deviation, and a share of the mean coefficient.

    Args:
        predicted, target: (N, K).
        inverse_std: (K,) one over each coefficient's standard deviation in the training set. None: ones.
        sparsity: weight of the mean coefficient.

    Returns:
        error, sparsity (weighted), and loss, their sum.

    Raises:
        ValueError: the shapes differ.
    """
    if predicted.shape != target.shape:
        raise ValueError(f"{tuple(predicted.shape)} predicted coefficients, {tuple(target.shape)} true ones")
    difference = predicted - target
    error = (difference if inverse_std is None else difference * inverse_std).square().mean()
    sparse = sparsity * predicted.mean()
    return {"error": error, "sparsity": sparse, "loss": error + sparse}
