"""MeshTalk (Richard et al. 2021): a face's motion as classes that speech and expression decide together.

Speech and expression are encoded and fused into classes; a decoder makes a face of them and a template; a prior
(`said.baselines.prior`) finds classes from speech alone. Geometry is in millimetres.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Real
from numpy.typing import ArrayLike
from torch import Tensor, nn

from said.baselines.log_mel import BANDS, Centres, chunks, log_mel, normalise, span_log_mels
from said.baselines.prior import SLOPE, Mask, Prior
from said.files.tensors import load_strict, read_state_dict
from said.running.atomic import PathLike
from said.running.shapes import shaped

CODE = 128
"""Width of the codes of speech, expression and geometry."""
Sampling = Literal["argmax", "gumbel"]
_DILATIONS = (2, 4, 6, 2, 4, 6)
_DROPOUT = 0.2
_CHUNKS_AT_ONCE = 64
_PARTS = {"geom_unet": "vertex_unet.pkl", "encoder": "encoder.pkl", "context_model": "context_model.pkl"}
"""The parts of the model, and the published files that hold them."""


class AudioEncoder(nn.Module):
    """The spectrogram around a frame -> its speech code."""

    def __init__(self):
        super().__init__()
        self.convert_dimensions = nn.Conv1d(BANDS, CODE, 5)
        self.convs = nn.ModuleList(nn.Conv1d(CODE, CODE, 5, dilation=dilation) for dilation in _DILATIONS)
        self.code = nn.Linear(CODE, CODE)
        for layer in (self.convert_dimensions, *self.convs, self.code):
            nn.init.xavier_uniform_(layer.weight)  # pyright: ignore[reportArgumentType]: each has a weight
            if layer is not self.code:
                nn.init.constant_(layer.bias, 0.01)  # pyright: ignore[reportArgumentType]: and a bias

    def forward(self, log_mels: Tensor) -> Tensor:
        """(..., 80, 101) -> (..., 128)."""
        return self.along(log_mels.reshape(-1, *log_mels.shape[-2:])).mean(1).view(*log_mels.shape[:-2], CODE)

    def along(self, log_mels: Tensor) -> Tensor:
        """Longer spectrograms (B, 80, n), n > 100 -> the codes of all spans of 101 steps in them, (B, n - 100, 128)."""
        hidden = F.leaky_relu(self.convert_dimensions(log_mels), SLOPE)
        for layer in self.convs:
            made = F.dropout(F.leaky_relu(layer(hidden), SLOPE), _DROPOUT, self.training)
            edge = (hidden.shape[-1] - made.shape[-1]) // 2
            hidden = (hidden[..., edge : edge + made.shape[-1]] + made) / 2
        return self.code(hidden.transpose(1, 2))


class _Normalised(nn.Module):
    """What measures geometry against a mean face and its spread."""

    mean: Tensor
    stddev: Tensor

    def __init__(self, vertices: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, 1, vertices, 3))
        self.register_buffer("stddev", torch.ones(1, 1, vertices, 3))

    def normalised(self, geometry: Tensor) -> Tensor:
        """(B, T, V, 3) -> (B, T, 3 V)."""
        return ((geometry - self.mean) / self.stddev).flatten(2)


class ExpressionEncoder(_Normalised):
    """Geometry -> expression codes, each of which knows the frames before it."""

    def __init__(self, vertices: int, width: int):
        super().__init__(vertices)
        self.layers = nn.ModuleList([nn.Linear(3 * vertices, width), nn.Linear(width, CODE)])
        self.lstm = nn.LSTM(CODE, CODE, batch_first=True)
        self.code = nn.Linear(CODE, CODE)

    def forward(self, geometry: Tensor) -> Tensor:
        """(B, T, V, 3) -> (B, T, 128)."""
        hidden = self.normalised(geometry)
        for layer in self.layers:
            hidden = F.leaky_relu(layer(hidden), SLOPE)
        hidden, _ = self.lstm(hidden)
        return self.code(hidden)


class Fusion(nn.Module):
    """Expression and speech codes -> log-probabilities of the classes of every head."""

    def __init__(self, heads: int, classes: int):
        super().__init__()
        self.heads, self.classes = heads, classes
        self.mlp = nn.Sequential(
            nn.Linear(2 * CODE, 256),
            nn.LeakyReLU(SLOPE),
            nn.Linear(256, 256),
            nn.LeakyReLU(SLOPE),
            nn.Linear(256, heads * classes),
        )

    def forward(self, expression: Tensor, audio: Tensor) -> Tensor:
        """(B, T, 128) and (B, T, 128) -> (B, T, heads, classes)."""
        logits = self.mlp(torch.cat([expression, audio], -1))
        return logits.unflatten(-1, (self.heads, self.classes)).log_softmax(-1)


class Encoder(nn.Module):
    """What turns speech and geometry into classes."""

    def __init__(self, vertices: int, heads: int, classes: int, expression: int):
        super().__init__()
        self.audio_encoder = AudioEncoder()
        self.expression_encoder = ExpressionEncoder(vertices, expression)
        self.fusion_model = Fusion(heads, classes)


class VertexUnet(_Normalised):
    """A template and classes -> geometry."""

    def __init__(self, vertices: int, heads: int, classes: int, detail: int):
        super().__init__(vertices)
        self.encoder = nn.ModuleList([nn.Linear(3 * vertices, detail), nn.Linear(detail, 256), nn.Linear(256, CODE)])
        self.fusion = nn.Linear(heads * classes + CODE, CODE)
        self.temporal = nn.LSTM(CODE, CODE, 2, batch_first=True)
        self.decoder = nn.ModuleList([nn.Linear(CODE, 256), nn.Linear(256, detail), nn.Linear(detail, 3 * vertices)])
        self.vertex_bias = nn.Parameter(torch.zeros(3 * vertices))

    def forward(self, template: Tensor, one_hot: Tensor) -> Tensor:
        """Templates (B, V, 3) and classes (B, T, heads, classes) -> (B, T, V, 3)."""
        hidden = self.normalised(template[:, None])  # (B, 1, 3 V): the template is encoded once, not for every frame
        skips = []
        for layer in self.encoder:
            skips.append(hidden)
            hidden = F.leaky_relu(layer(hidden), SLOPE)
        code = hidden.expand(-1, one_hot.shape[1], -1)
        hidden = F.leaky_relu(self.fusion(torch.cat([code, one_hot.flatten(2)], -1)), SLOPE)
        hidden, _ = self.temporal(hidden)
        for layer, skip in zip(self.decoder, reversed(skips), strict=True):
            hidden = skip + F.leaky_relu(layer(hidden), SLOPE)
        return (hidden + self.vertex_bias).unflatten(2, (-1, 3)) * self.stddev + self.mean


class MeshTalk(nn.Module):
    """The whole of it, by the published names of its parts.

    Args:
        vertices: of a face.
        heads, classes: of a frame's expression.
        width: channels of a head in the prior.
        mask: of the prior, published or corrected; see `Prior`.
        expression, detail: widths of the layers next to the vertices, in the expression encoder and in the decoder.

    Attributes:
        encoder: speech and geometry -> classes.
        geom_unet: classes -> geometry.
        context_model: speech -> classes.
    """

    def __init__(
        self,
        vertices: int,
        heads: int = 16,
        classes: int = 128,
        width: int = 64,
        mask: Mask = "published",
        *,
        expression: int = 256,
        detail: int = 512,
    ):
        super().__init__()
        self.geom_unet = VertexUnet(vertices, heads, classes, detail)
        self.encoder = Encoder(vertices, heads, classes, expression)
        self.context_model = Prior(heads, classes, width, CODE, mask)

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor], *, heads: int, mask: Mask = "published") -> "MeshTalk":
        """A model with given weights, in evaluation mode and single precision; sizes are read off their shapes.

        Args:
            state: the published keys, under `geom_unet.`, `encoder.` and `context_model.`. Buffers that follow from the
                sizes, masks and `encoder.audio_encoder.melspec.*`, may be there or not.

        Raises:
            ValueError: lists every missing, unexpected and misshapen key; or the tensors are not of so many heads.
        """
        return cls._load(state, heads, mask, "the state dict")

    @classmethod
    def from_files(cls, folder: PathLike, *, heads: int = 16, mask: Mask = "published") -> "MeshTalk":
        """As `from_state_dict`, from the three published files; pickled code in them is not run.

        Args:
            folder: holds vertex_unet.pkl, encoder.pkl and context_model.pkl.

        Raises:
            FileNotFoundError: one of the files is not there.
            ValueError: one is no state dict, or as `from_state_dict`.
        """
        state = {}
        for part, name in _PARTS.items():
            state |= {f"{part}.{key}": value for key, value in read_state_dict(Path(folder) / name).items()}
        return cls._load(state, heads, mask, folder)

    @classmethod
    def _load(cls, state: Mapping[str, Tensor], heads: int, mask: Mask, source: PathLike) -> "MeshTalk":
        def size(name: str, axis: int, default: int) -> int:
            tensor = state.get(name)
            return tensor.shape[axis] if tensor is not None and tensor.ndim > axis else default

        outputs, hidden = size("encoder.fusion_model.mlp.4.bias", 0, heads * 128), 64 * heads
        hidden = size("context_model.embedding.masked_linear.bias", 0, hidden)
        if heads < 1 or outputs % heads or hidden % heads:
            raise ValueError(f"{source}: not weights of {heads} heads: {outputs} classes, {hidden} channels in all")
        widths = {
            "expression": size("encoder.expression_encoder.layers.0.bias", 0, 256),
            "detail": size("geom_unet.encoder.0.bias", 0, 512),
        }
        with torch.device("meta"):
            model = cls(size("geom_unet.mean", 2, 5023), heads, outputs // heads, hidden // heads, mask, **widths)
        given = {name: tensor.to(torch.float32, copy=True) for name, tensor in state.items() if not _is_derived(name)}
        load_strict(model, given, source, assign=True)
        return model.eval()

    @shaped
    def encode_speech(
        self, audio: Float[Tensor, " T"], fps: int = 30, centres: Centres = "published"
    ) -> Float[Tensor, "N 128"]:
        """Speech codes (N, 128) of audio (T,) at 16 kHz; frames as `said.baselines.log_mel.chunks` has them."""
        if centres == "steps":
            log_mels, first = span_log_mels(normalise(audio), fps)
            return self.encoder.audio_encoder.along(log_mels[None])[0][first]
        waveforms = chunks(normalise(audio), fps, centres)
        return torch.cat([self.encoder.audio_encoder(log_mel(part)) for part in waveforms.split(_CHUNKS_AT_ONCE)])

    @torch.no_grad()
    @shaped
    def animate(
        self,
        audio: ArrayLike | Real[Tensor, " T"],
        template: ArrayLike | Real[Tensor, "V 3"],
        sampling: Sampling = "argmax",
        generator: torch.Generator | None = None,
        *,
        fps: int = 30,
        centres: Centres = "published",
        smoothing: ArrayLike | Real[Tensor, " V"] | None = None,
    ) -> Float[Tensor, "N V 3"]:
        """A face that says what is heard.

        Args:
            audio: (T,) at 16 kHz, of any loudness.
            template: (V, 3) in millimetres.
            sampling: the likeliest classes, or drawn ones.
            generator: of the draws; None: the global one.
            fps: frames per second.
            centres: where frames lie in the audio; see `said.baselines.log_mel.chunks`.
            smoothing: (V,) share of each vertex that is smoothed over time; the authors smooth forehead and neck. None:
                nothing is.

        Returns:
            (N, V, 3) in millimetres.

        Raises:
            ValueError: a shape is another one, there is no audio, or an option is unknown.
        """
        like = self.geom_unet.vertex_bias
        audio = torch.as_tensor(audio).to(like.device, like.dtype)
        template = torch.as_tensor(template).to(like.device, like.dtype)
        if audio.ndim != 1 or template.shape != self.geom_unet.mean.shape[2:]:
            expected = tuple(self.geom_unet.mean.shape[2:])
            raise ValueError(
                f"expected audio (T,) and a template {expected}, got {tuple(audio.shape)}, {tuple(template.shape)}"
            )
        if sampling not in ("argmax", "gumbel"):
            raise ValueError(f"sampling must be argmax or gumbel, not {sampling!r}")
        codes = self.encode_speech(audio, fps, centres)[None]
        noise = None
        if sampling == "gumbel":
            shape = (codes.shape[1], self.context_model.heads, self.context_model.classes)
            device = like.device if generator is None else generator.device
            noise = gumbel(torch.rand(shape, generator=generator, device=device).to(like))[None]
        labels = self.context_model.sample(codes, noise)
        geometry = self.geom_unet(template[None], F.one_hot(labels, self.context_model.classes).to(like))[0]
        return geometry if smoothing is None else smooth(geometry, torch.as_tensor(smoothing).to(like))


def _is_derived(name: str) -> bool:
    """Whether a published tensor follows from the sizes: window and bands of spectrograms, masks of the prior."""
    mask = name.startswith("context_model.") and name.endswith(".mask")
    return mask or name.startswith("encoder.audio_encoder.melspec.")


@shaped
def gumbel(uniform: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """Gumbel noise from uniform noise in [0, 1)."""
    return -(-uniform.clamp(1e-10, 1).log()).log()


@shaped
def quantise(
    log_probabilities: Float[Tensor, "*B classes"], uniform: Float[Tensor, "*B classes"] | None = None
) -> Float[Tensor, "*B classes"]:
    """One class of every head, as a one-hot vector that hands gradients on to the probabilities.

    Args:
        log_probabilities: (..., classes).
        uniform: noise of the same shape in [0, 1), with which classes are drawn. None: the likeliest.

    Returns:
        (..., classes).
    """
    logits = log_probabilities if uniform is None else log_probabilities + gumbel(uniform)
    soft = logits.softmax(-1)
    hard = F.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft)
    return hard - soft.detach() + soft


@shaped
def smooth(geometry: Float[Tensor, "N V 3"], mask: Float[Tensor, " V"]) -> Float[Tensor, "N V 3"]:
    """Vertices (N, V, 3) smoothed over time, by a share (V,) of each: nine frames, a Gaussian of two, ends held."""
    count, vertices, _ = geometry.shape
    weights = torch.exp(-0.5 * torch.arange(-4, 5, device=geometry.device, dtype=geometry.dtype).square() / 2**2)
    padded = F.pad(geometry.flatten(1).T[:, None], (4, 4), mode="replicate")  # (3 V, 1, N + 8)
    smoothed = F.conv1d(padded, (weights / weights.sum())[None, None])[:, 0].T.view(count, vertices, 3)
    return smoothed * mask[:, None] + geometry * (1 - mask[:, None])
