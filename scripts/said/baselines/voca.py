"""VOCA (Cudeiro et al. 2019): 0.3 s of DeepSpeech's logits and a speaker's style in, a face's offsets out."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64, Integer, Real
from numpy.typing import ArrayLike
from torch import Tensor, nn

from said.baselines.deepspeech import CHARACTERS, RATE
from said.files.tensorflow import read_checkpoint
from said.files.tensors import mismatches
from said.running.atomic import PathLike
from said.running.shapes import shaped

FRAME_RATE = 60
"""Frames per second."""
WINDOW = 16
"""Logit vectors that a frame sees: eight before it, its own, seven after it."""
SUBJECTS = (
    "FaceTalk_170728_03272_TA",
    "FaceTalk_170904_00128_TA",
    "FaceTalk_170725_00137_TA",
    "FaceTalk_170915_00223_TA",
    "FaceTalk_170811_03274_TA",
    "FaceTalk_170913_03279_TA",
    "FaceTalk_170904_03276_TA",
    "FaceTalk_170912_03278_TA",
)
"""The speakers of the published weights' styles, in their order."""
_CHANNELS = (32, 32, 64, 64)
_HIDDEN = 128
_LEAVES = {"weight": "weights", "bias": "biases"}
_STATISTICS = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
_OF_TRAINING = ("/Adam", "/Adam_1", "beta1_power", "beta2_power", "global_step")
"""How the names of variables end that only training needs."""


class Voca(nn.Module):
    """The network.

    Args:
        vertices: of a face.
        subjects: training speakers, each of whom is a style.
        components: of the linear basis of faces' offsets.
        basis: (3 vertices, components or more), what the output layer starts from: its first columns. None: as PyTorch
            would.
    """

    def __init__(
        self, vertices: int, subjects: int = len(SUBJECTS), components: int = 50, basis: ArrayLike | None = None
    ):
        super().__init__()
        self.subjects = subjects
        # One channel: the same affine map of all features. TensorFlow's kernel takes no smaller epsilon.
        self.batch_norm = nn.BatchNorm1d(1, eps=1.001e-5, momentum=0.1)
        widths = (CHARACTERS + subjects, *_CHANNELS)
        self.conv1, self.conv2, self.conv3, self.conv4 = (
            nn.Conv1d(before, after, 3, stride=2) for before, after in zip(widths, _CHANNELS, strict=False)
        )
        self.fc1 = nn.Linear(_CHANNELS[-1] + subjects, _HIDDEN)
        self.fc2 = nn.Linear(_HIDDEN, components)
        self.expression_offset = nn.Linear(components, 3 * vertices)
        self._initialise(basis)

    @torch.no_grad()
    def _initialise(self, basis: ArrayLike | None) -> None:
        for layer in self._convolutions():
            nn.init.trunc_normal_(layer.weight, std=0.02, a=-0.04, b=0.04)
            nn.init.trunc_normal_(_bias(layer), std=0.02, a=-0.04, b=0.04)
        for layer in (self.fc1, self.fc2):
            nn.init.trunc_normal_(layer.weight, std=0.1, a=-0.2, b=0.2)
            nn.init.zeros_(layer.bias)
        if basis is not None:
            columns = torch.as_tensor(basis, dtype=torch.float32)
            weight = self.expression_offset.weight
            if columns.ndim != 2 or len(columns) != len(weight) or columns.shape[1] < weight.shape[1]:
                raise ValueError(
                    f"expected a basis ({len(weight)}, {weight.shape[1]} or more), got {tuple(columns.shape)}"
                )
            weight.copy_(columns[:, : weight.shape[1]])
            nn.init.zeros_(self.expression_offset.bias)

    def _convolutions(self) -> tuple[nn.Conv1d, ...]:
        return (self.conv1, self.conv2, self.conv3, self.conv4)

    @classmethod
    def from_checkpoint(cls, prefix: PathLike) -> "Voca":
        """Read a TensorFlow checkpoint such as the published `gstep_52280.model`, in evaluation mode.

        Sizes are read off the variables' shapes; what only training needs is left out.

        Args:
            prefix: the path of its files without `.index` and `.data-00000-of-00001`.

        Raises:
            FileNotFoundError: a file is not there.
            UnreadableError: a file is not part of a checkpoint, or not whole.
            ValueError: lists every missing, unexpected and misshapen variable.
        """
        variables = read_checkpoint(prefix, lambda name: not name.endswith(_OF_TRAINING))
        return cls.from_variables({name: torch.from_numpy(value) for name, value in variables.items()}, prefix)

    @classmethod
    def from_variables(cls, variables: Mapping[str, Tensor], source: PathLike = "VOCA's variables") -> "Voca":
        """As `from_checkpoint`, from variables by their published names; `source` is what messages call them."""

        def size(name: str, axis: int, default: int) -> int:
            tensor = variables.get(name)
            return tensor.shape[axis] if tensor is not None and tensor.ndim > axis else default

        subjects = size("VOCA/SpeechEncoder/conv1/weights", 2, CHARACTERS + len(SUBJECTS)) - CHARACTERS
        components = size("VOCA/SpeechEncoder/fc2/weights", 1, 50)
        outputs = size("VOCA/ExpressionLayer/expression_offset/weights", 1, 3 * 5023)
        with torch.device("meta"):
            model = cls(max(1, outputs // 3), max(1, subjects), components)
        faults = mismatches(model.variables(), variables)
        if faults:
            raise ValueError("\n".join([f"{source}: not the weights of VOCA:", *faults]))
        state = {name: _as_layer(variables[_variable(name)]) for name in _weights(model)}
        state["batch_norm.num_batches_tracked"] = torch.tensor(0)
        model.load_state_dict(state, assign=True)
        return model.eval()

    def variables(self) -> dict[str, Tensor]:
        """The weights by the published names and in the published shapes."""
        return {_variable(name): _as_variable(value) for name, value in _weights(self).items()}

    @shaped
    def encode(
        self, windows: Float[Tensor, "B 16 29"], subjects: Integer[Tensor, " B"]
    ) -> Float[Tensor, "B components"]:
        """Coordinates (B, components) in the basis of offsets, from windows (B, 16, 29) and subjects (B,) int64."""
        normalised = self.batch_norm(windows.flatten(1)[:, None]).view_as(windows)
        style = F.one_hot(subjects, self.subjects).to(windows.dtype)
        styles = style[:, None].expand(-1, WINDOW, -1)
        hidden = torch.cat([normalised, styles], 2).transpose(1, 2)  # (B, 29 + subjects, 16)
        for layer in self._convolutions():
            hidden = F.relu(layer(F.pad(hidden, (0, 1))))  # 16, 8, 4, 2, 1 steps
        hidden = torch.tanh(self.fc1(torch.cat([hidden.flatten(1), style], 1)))
        return self.fc2(hidden)

    @shaped
    def forward(
        self, windows: Float[Tensor, "B 16 29"], subjects: Integer[Tensor, " B"], templates: Float[Tensor, "B V 3"]
    ) -> Float[Tensor, "B V 3"]:
        """Vertices (B, V, 3) in metres, from windows (B, 16, 29), subjects (B,) int64 and templates (B, V, 3)."""
        return self.expression_offset(self.encode(windows, subjects)).view(len(windows), -1, 3) + templates

    @torch.no_grad()
    @shaped
    def animate(
        self,
        windows: ArrayLike | Real[Tensor, "N 16 29"],
        template: ArrayLike | Real[Tensor, "V 3"],
        styles: ArrayLike | Integer[Tensor, " S"],
    ) -> Float[Tensor, "S N V 3"]:
        """A clip in several styles at once.

        Args:
            windows: (N, 16, 29) of `speech_windows`.
            template: (V, 3) in metres.
            styles: (S,) integers, each a subject.

        Returns:
            (S, N, V, 3) vertices in metres at 60 per second.

        Raises:
            ValueError: a shape is another one, or there is no such subject.
        """
        basis, bias = self.expression_offset.weight, self.expression_offset.bias
        windows = torch.as_tensor(windows).to(basis.device, basis.dtype)
        template = torch.as_tensor(template).to(basis.device, basis.dtype)
        styles = torch.as_tensor(styles).to(basis.device)
        if windows.ndim != 3 or windows.shape[1:] != (WINDOW, CHARACTERS):
            raise ValueError(f"expected windows (N, {WINDOW}, {CHARACTERS}), got {tuple(windows.shape)}")
        if template.shape != (len(bias) // 3, 3):
            raise ValueError(f"expected a template ({len(bias) // 3}, 3), got {tuple(template.shape)}")
        if styles.ndim != 1 or styles.is_floating_point() or not ((0 <= styles) & (styles < self.subjects)).all():
            raise ValueError(f"styles must be integers (S,) from 0 to {self.subjects - 1}, not {styles.tolist()}")
        count = len(windows)
        codes = self.encode(windows.repeat(len(styles), 1, 1), styles.long().repeat_interleave(count))
        # The template goes into the layer's bias: vertices are written once.
        return torch.addmm(bias + template.flatten(), codes, basis.T).view(len(styles), count, *template.shape)


@shaped
def speech_windows(logits: ArrayLike | Real[Tensor, "T 29"], samples: int, rate: int) -> Float64[np.ndarray, "N 16 29"]:
    """What the network sees of an utterance, frame by frame.

    Args:
        logits: (T, 29) of DeepSpeech, 50 per second.
        samples: of the utterance.
        rate: its samples per second.

    Returns:
        (N, 16, 29), 60 per second: logits eight frames before to seven after, zeros beyond the utterance.

    Raises:
        ValueError: the logits are of another shape, or there are none.
    """
    values = np.asarray(logits, np.float64)
    if values.ndim != 2 or values.shape[1] != CHARACTERS or len(values) == 0:
        raise ValueError(f"expected logits (T >= 1, {CHARACTERS}), got {values.shape}")
    times = np.arange(round(samples / rate * FRAME_RATE)) / FRAME_RATE
    knots = np.arange(len(values)) / RATE
    frames = np.stack([np.interp(times, knots, channel) for channel in values.T], 1)
    padded = np.pad(frames, ((WINDOW // 2, WINDOW // 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=0)[: len(frames)]  # (N, 29, 16)
    return windows.transpose(0, 2, 1).copy()


@shaped
def losses(
    predicted: Float[Tensor, "B V 3"], target: Float[Tensor, "B V 3"], velocity_weight: float = 10.0
) -> dict[str, Float[Tensor, ""]]:
    """What is minimised: squared distances in space, and of what moves between the two frames of a pair.

    Args:
        predicted, target: (B, V, 3), rows 2i and 2i + 1 being two frames that follow each other.
        velocity_weight: of the second.

    Returns:
        position, velocity (weighted), and loss, their sum.

    Raises:
        ValueError: the rows are no pairs, or the shapes differ.
    """
    if predicted.shape != target.shape or predicted.shape[-1] != 3 or len(predicted) % 2:
        raise ValueError(f"expected pairs of frames (2 P, V, 3), got {tuple(predicted.shape)}, {tuple(target.shape)}")
    error = predicted - target
    position = error.square().sum(-1).mean()
    velocity = velocity_weight * (error[1::2] - error[::2]).square().sum(-1).mean()
    return {"position": position, "velocity": velocity, "loss": position + velocity}


class TensorFlowAdam(torch.optim.Adam):
    """Adam as TensorFlow 1 has it: epsilon is added before the bias of the variance is taken out, not after.

    Gradients of squared metres are so small that the difference counts.
    """

    @torch.no_grad()
    def step(  # pyright: ignore[reportIncompatibleMethodOverride]: as torch's own optimisers
        self, closure: Callable[[], float] | None = None
    ) -> float | None:
        for group in self.param_groups:
            steps = [int(self.state[weight]["step"]) for weight in group["params"] if weight in self.state]
            given = group.setdefault("tensorflow_eps", group["eps"])
            group["eps"] = given / (1 - group["betas"][1] ** (max(steps, default=0) + 1)) ** 0.5
        return super().step(closure)


def _weights(model: Voca) -> dict[str, Tensor]:
    return {name: value for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}


def _variable(name: str) -> str:
    """The published name of one of our tensors."""
    layer, _, leaf = name.rpartition(".")
    if layer == "expression_offset":
        return f"VOCA/ExpressionLayer/{layer}/{_LEAVES[leaf]}"
    return f"VOCA/SpeechEncoder/{layer}/{(_STATISTICS if layer == 'batch_norm' else _LEAVES)[leaf]}"


def _as_layer(variable: Tensor) -> Tensor:
    """TensorFlow's (time, 1, in, out) or (in, out) -> PyTorch's (out, in, time) or (out, in)."""
    order = {4: (3, 2, 0, 1), 2: (1, 0)}.get(variable.ndim)
    layer = variable.permute(order).flatten(2) if order and len(order) == 4 else variable.T if order else variable
    return layer.to(torch.float32, copy=True).contiguous()


def _as_variable(layer: Tensor) -> Tensor:
    """The inverse of `_as_layer`."""
    return layer.permute(2, 1, 0)[:, None] if layer.ndim == 3 else layer.T if layer.ndim == 2 else layer


def _bias(layer: nn.Conv1d) -> Tensor:
    assert layer.bias is not None
    return layer.bias
