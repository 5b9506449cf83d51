"""DeepSpeech 0.1.0 (Hannun et al. 2014), through which VOCA hears: what each 20 ms of speech might spell.

The published graph is read by name of its constants; later releases are other networks on other features.
"""

import numpy as np
import python_speech_features
import torch
from jaxtyping import Float, Float32, Int16, Real
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from said.files.tensorflow import read_constants
from said.files.tensors import mismatches
from said.running.atomic import PathLike
from said.running.shapes import shaped

SAMPLE_RATE = 16000
"""Hz, of the speech that the features are taken from."""
RATE = 50
"""Feature and logit vectors per second."""
COEFFICIENTS, CONTEXT = 26, 9
"""Coefficients of a step, and steps that are seen on either side of it."""
FEATURES = COEFFICIENTS * (2 * CONTEXT + 1)
CHARACTERS = 29
"""Space, a to z, apostrophe, and CTC's blank."""
_CEILING = 20.0
_FORGET_BIAS = 1.0
"""TensorFlow adds it as the cell runs; it is not among the weights."""
_DIRECTIONS = {"": "fw", "_reverse": "bw"}


class DeepSpeech(nn.Module):
    """Three dense layers, a bidirectional LSTM, two dense layers.

    Args:
        widths: of the first three layers' outputs.
        cells: of the LSTM, in each direction.
        width: of the fourth layer's output.
    """

    def __init__(self, widths: tuple[int, int, int] = (2048, 2048, 4096), cells: int = 2048, width: int = 2048):
        super().__init__()
        first, second, third = widths
        self.h1 = nn.Linear(FEATURES, first)
        self.h2 = nn.Linear(first, second)
        self.h3 = nn.Linear(second, third)
        self.lstm = nn.LSTM(third, cells, bidirectional=True)
        self.h5 = nn.Linear(2 * cells, width)
        self.h6 = nn.Linear(width, CHARACTERS)

    @torch.no_grad()
    @shaped
    def forward(self, features: ArrayLike | Real[Tensor, "N 494"]) -> Float[Tensor, "N 29"]:
        """Logits (N, 29) of a whole utterance's features (N, 494); N >= 1.

        Raises:
            ValueError: the features are of another shape.
        """
        weight = self.h1.weight
        hidden = torch.as_tensor(features).to(weight.device, weight.dtype)
        if hidden.ndim != 2 or hidden.shape[1] != FEATURES or len(hidden) == 0:
            raise ValueError(f"expected features (N >= 1, {FEATURES}), got {tuple(hidden.shape)}")
        for layer in (self.h1, self.h2, self.h3):
            hidden = layer(hidden).clamp_(0, _CEILING)
        hidden, _ = self.lstm(hidden)  # (N, 2 cells), forward and backward
        return self.h6(self.h5(hidden).clamp_(0, _CEILING))


def load_graph(path: PathLike) -> DeepSpeech:
    """Read the frozen graph of DeepSpeech 0.1.0, `models/output_graph.pb` of its release, in evaluation mode.

    Sizes are read off the constants' shapes.

    Raises:
        FileNotFoundError: the file is not there.
        UnreadableError: it is no graph, or not whole.
        ValueError: lists every missing, unexpected and misshapen constant.
    """
    constants = read_constants(path)
    weights = {name: value for name, value in constants.items() if value.ndim > 0 and value.dtype.kind == "f"}

    def size(name: str, axis: int, default: int) -> int:
        return weights[name].shape[axis] if name in weights and weights[name].ndim > axis else default

    widths = (size("h1", 1, 2048), size("h2", 1, 2048), size("h3", 1, 4096))
    cells = size("bidirectional_rnn/fw/basic_lstm_cell/kernel", 1, 8192) // 4
    with torch.device("meta"):
        model = DeepSpeech(widths, cells, size("h5", 1, 2048))
    faults = mismatches(
        _constants_of(model), {name: torch.empty(w.shape, device="meta") for name, w in weights.items()}
    )
    if faults:
        raise ValueError("\n".join([f"{path}: not the graph of DeepSpeech 0.1.0:", *faults]))
    model.load_state_dict(_state(weights, widths[2]), assign=True)
    return model.eval().requires_grad_(False)


def _constants_of(model: DeepSpeech) -> dict[str, Tensor]:
    """Empty tensors with names and shapes of the graph's constants."""
    inputs, cells = model.lstm.input_size, model.lstm.hidden_size
    shapes: dict[str, tuple[int, ...]] = {}
    for number in (1, 2, 3, 5, 6):
        layer: nn.Linear = getattr(model, f"h{number}")
        shapes |= {f"h{number}": (layer.in_features, layer.out_features), f"b{number}": (layer.out_features,)}
    for direction in _DIRECTIONS.values():
        cell = f"bidirectional_rnn/{direction}/basic_lstm_cell"
        shapes |= {f"{cell}/kernel": (inputs + cells, 4 * cells), f"{cell}/bias": (4 * cells,)}
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def _state(weights: dict[str, NDArray], inputs: int) -> dict[str, Tensor]:
    """The constants as PyTorch's layers have them."""
    state = {}
    for number in (1, 2, 3, 5, 6):
        state[f"h{number}.weight"] = _tensor(weights[f"h{number}"].T)
        state[f"h{number}.bias"] = _tensor(weights[f"b{number}"])
    for suffix, direction in _DIRECTIONS.items():
        cell = f"bidirectional_rnn/{direction}/basic_lstm_cell"
        kernel = _reordered(weights[f"{cell}/kernel"].T)
        bias = _reordered(weights[f"{cell}/bias"])
        bias[len(bias) // 4 : len(bias) // 2] += _FORGET_BIAS
        state[f"lstm.weight_ih_l0{suffix}"] = _tensor(kernel[:, :inputs])
        state[f"lstm.weight_hh_l0{suffix}"] = _tensor(kernel[:, inputs:])
        state[f"lstm.bias_ih_l0{suffix}"] = _tensor(bias)
        state[f"lstm.bias_hh_l0{suffix}"] = torch.zeros(len(bias))
    return state


def _reordered(rows: NDArray) -> NDArray:
    """Rows of input, candidate, forget and output gate, in PyTorch's order: input, forget, candidate, output."""
    gate, candidate, forget, output = np.split(rows, 4)
    return np.concatenate([gate, forget, candidate, output])


def _tensor(values: NDArray) -> Tensor:
    return torch.from_numpy(np.array(values, np.float32, order="C"))


@shaped
def inputs(
    samples: Int16[np.ndarray, " T"] | Int16[np.ndarray, "T channels"], rate: int
) -> Float32[np.ndarray, "N 494"]:
    """What the network is given of an utterance.

    Mean and deviation of the whole utterance, silence included, go into every value: it cannot be taken in pieces.

    Args:
        samples: (T,) or (T, channels), of which the first counts; 16-bit.
        rate: Hz.

    Returns:
        (N, 494), 50 per second: cepstra of the step, nine before and nine after, the oldest first.

    Raises:
        ValueError: the samples are not 16-bit, there are none, or the rate is not above 0.
    """
    cepstra = python_speech_features.mfcc(resample(samples, rate), SAMPLE_RATE, numcep=COEFFICIENTS)[::2]
    padded = np.pad(cepstra, ((CONTEXT, CONTEXT), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * CONTEXT + 1, axis=0)  # (N, 26, 19)
    features = windows.transpose(0, 2, 1).reshape(len(cepstra), FEATURES)
    return ((features - features.mean()) / features.std()).astype(np.float32)


@shaped
def resample(
    samples: Int16[np.ndarray, " T"] | Int16[np.ndarray, "T channels"], rate: int
) -> Int16[np.ndarray, " resampled"]:
    """16-bit samples, (T,) or the first of (T, channels), at 16 kHz: VOCA's resampler, then cut to whole numbers.

    What overshoots 16 bits is clipped; VOCA leaves to the processor what becomes of it.

    Raises:
        ValueError: as `inputs`.
    """
    import resampy  # compiles as it loads

    samples = np.asarray(samples)
    if samples.dtype != np.int16 or samples.ndim not in (1, 2) or samples.size == 0:
        raise ValueError(f"expected 16-bit samples (T,) or (T, channels), got {samples.dtype} {samples.shape}")
    if rate <= 0:
        raise ValueError(f"the sample rate must be above 0, not {rate}")
    first = samples if samples.ndim == 1 else samples[:, 0]
    if rate == SAMPLE_RATE:
        return first
    limits = np.iinfo(np.int16)
    return resampy.resample(first.astype(np.float64), rate, SAMPLE_RATE).clip(limits.min, limits.max).astype(np.int16)
