"""Facial motion by two paths (supplement, Section 1.1): global motion, and local motion in the words of a codebook.

Stated: a Transformer decoder of 12 layers and 4 heads that predicts global motion from semantic features; an embedding
interpreter, an LSTM of 2 layers. The supplement names the parts and not how they go together. Ours: the face is the sum
of the two; all frames are predicted at once; the interpreter hears the speech and sees what the upper path made of it,
and speaks the features of `FacialVQ`, block by block.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Integer
from torch import Tensor, nn

from said.baselines.positions import PeriodicEncoding
from said.files.models import load_model, save_model
from said.headpose.facial_vq import CHANNELS, FacialVQ, in_whole_blocks, require_blocks
from said.running.atomic import PathLike
from said.running.shapes import shaped

Interpreter = Literal["lstm", "linear"]
_FORM = "said-dual-path-2"
_SLOPE = 0.2


@shaped
def near_frames(frames: int, reach: int, device: torch.device | None = None) -> Bool[Tensor, "{frames} {frames}"]:
    """True where a frame may not attend to the speech: more than `reach` frames from its own."""
    place = torch.arange(frames, device=device)
    return (place[:, None] - place).abs() > reach


class GlobalPath(nn.Module):
    """The upper path: for each frame a query, its place in the period and the speaker's style, to a decoder.

    Args:
        speech: width of the speech's features.
        width, heads, feed_forward, layers: of the decoder.
        period: of the position, in frames.
        reach: frames on either side whose speech a frame hears.
        dropout: in training.
    """

    def __init__(
        self,
        speech: int,
        width: int,
        heads: int,
        feed_forward: int,
        layers: int,
        period: int,
        reach: int,
        dropout: float,
    ):
        super().__init__()
        self.reach = reach
        self.hear = nn.Linear(speech, width)
        self.place = PeriodicEncoding(width, period, dropout)
        layer = nn.TransformerDecoderLayer(
            width, heads, feed_forward, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.decoder = nn.TransformerDecoder(layer, layers, nn.LayerNorm(width))
        self.out = nn.Linear(width, CHANNELS)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, speech: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N, speech), (B, width) -> hidden states (B, N, width), motion (B, N, 32) in deviations."""
        frames = speech.shape[1]
        queries = self.place(style[:, None].expand(-1, frames, -1))
        mask = near_frames(frames, self.reach, speech.device)
        hidden = self.decoder(queries, self.hear(speech), memory_mask=mask)
        return hidden, self.out(hidden)


class LstmInterpreter(nn.Module):
    """The embedding interpreter: (B, N, in) -> (B, N, out), both ways in time."""

    def __init__(self, before: int, hidden: int, after: int, dropout: float):
        super().__init__()
        self.lstm = nn.LSTM(before, hidden, 2, batch_first=True, bidirectional=True, dropout=dropout)
        self.out = nn.Linear(2 * hidden, after)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.lstm(x)[0])


class LinearInterpreter(nn.Sequential):
    """What stands in for it in an ablation: each frame by itself."""

    def __init__(self, before: int, hidden: int, after: int, dropout: float):
        super().__init__(
            nn.Linear(before, 2 * hidden),
            nn.LeakyReLU(_SLOPE),
            nn.Dropout(dropout),
            nn.Linear(2 * hidden, 2 * hidden),
            nn.LeakyReLU(_SLOPE),
            nn.Linear(2 * hidden, after),
        )


_INTERPRETERS = {"lstm": LstmInterpreter, "linear": LinearInterpreter}


class DualPath(nn.Module):
    """Both paths and the codebook, whose weights do not change.

    A path that is switched off gives the mean face, and the other is told zeros of it: parameters stay as many.

    Args:
        vq: trained; a part of this model from now on.
        speech: width of the speech's features.
        styles: speakers in training.
        width, heads, feed_forward, layers, period, reach, dropout: see `GlobalPath`.
        hidden: cells of the interpreter, in each direction.
        interpreter: lstm; or linear, which sees a frame alone.
        global_path, local_path: whether a path is on.
        quantised: whether the interpreter's features become the nearest codes.

    Raises:
        ValueError: the width is not a multiple of the heads, or no path is on.
    """

    def __init__(
        self,
        vq: FacialVQ,
        speech: int,
        styles: int,
        *,
        width: int = 512,
        heads: int = 4,
        feed_forward: int = 1024,
        layers: int = 12,
        period: int = 30,
        reach: int = 1,
        dropout: float = 0.1,
        hidden: int = 512,
        interpreter: Interpreter = "lstm",
        global_path: bool = True,
        local_path: bool = True,
        quantised: bool = True,
    ):
        super().__init__()
        if width % heads:
            raise ValueError(f"the upper path's width of {width} cannot be divided into {heads} heads")
        if not (global_path or local_path):
            raise ValueError("with both paths switched off nothing moves: switch one on")
        self.global_path, self.local_path, self.quantised = global_path, local_path, quantised
        self.vq = vq.requires_grad_(False)
        self.style = nn.Embedding(styles, width)
        self.upper = GlobalPath(speech, width, heads, feed_forward, layers, period, reach, dropout)
        features = vq.sizes["components"] * vq.sizes["code_width"]
        self.interpreter = _INTERPRETERS[interpreter](speech + width, hidden, features, dropout)

    def train(self, mode: bool = True) -> "DualPath":
        super().train(mode)
        self.vq.eval()  # it does not learn, and nothing in it is dropped
        return self

    @shaped
    def styles(self, numbers: Integer[Tensor, " B"] | None, batch: int) -> Float[Tensor, "{batch} width"]:
        """The vectors of training speakers; None: their mean, for a speaker who is none of them."""
        if numbers is None:
            return self.style.weight.mean(0).expand(batch, -1)
        return self.style(numbers)

    @shaped
    def forward(
        self, speech: Float[Tensor, "B N H"], styles: Integer[Tensor, " B"] | None = None
    ) -> tuple[Float[Tensor, "B N 32"], Float[Tensor, "B N features"]]:
        """Motion for speech.

        Args:
            speech: (B, N, H) features at 30 per second, N a multiple of 8.
            styles: (B,) numbers of training speakers; None: nobody's in particular.

        Returns:
            (B, N, 32) coefficients, not clipped; the interpreter's features, before they are quantised.

        Raises:
            ValueError: N is not a multiple of 8.
        """
        batch, frames = speech.shape[:2]
        require_blocks(frames)
        style = self.styles(styles, batch)
        if self.global_path:
            hidden, motion = self.upper(speech, style)
        else:
            hidden, motion = speech.new_zeros(batch, frames, style.shape[-1]), speech.new_zeros(batch, frames, CHANNELS)
        features = self.interpreter(torch.cat([speech, hidden], dim=-1))
        local = self._local(features) if self.local_path else self.vq.mean
        return motion * self.vq.std + local, features

    def targets(self, motion: Float[Tensor, "B N 32"]) -> Tensor:
        """What the interpreter should say for a true motion, N a multiple of 8: the VQ-VAE's words for it."""
        with torch.no_grad():
            features = self.vq.encode(motion)
            return self.vq.quantiser(features)[0] if self.quantised else features

    @torch.no_grad()
    def animate(self, speech: Float[Tensor, "N H"]) -> Tensor:
        """Coefficients (N, 32) in [0, 1] at 30 frames per second for features (N, H) of anybody, N >= 1."""
        return self(in_whole_blocks(speech)[None])[0][0, : len(speech)].clamp(0, 1)

    def _local(self, features: Tensor) -> Tensor:
        """Local motion (B, N, 32) of features (B, N, components * code width)."""
        return self.vq.decode(self.vq.quantiser(features)[0] if self.quantised else features)


@shaped
def dual_path_loss(
    model: DualPath,
    speech: Float[Tensor, "B N H"],
    motion: Float[Tensor, "B N 32"],
    styles: Integer[Tensor, " B"] | None,
    *,
    velocity: float = 0.5,
    latent: float = 1.0,
    lip: float = 1.0,
) -> dict[str, Tensor]:
    """What the two paths minimise; errors are in units of each coefficient's deviation, squared and averaged.

    Returns:
        loss, the sum with these weights; motion; velocity, of the steps from frame to frame; lip, how far the lips are
        from their place, in their deviation; latent, of the interpreter's features (where the lower path is on).
    """
    made, features = model(speech, styles)
    error = made - motion
    deviations = error / model.vq.std
    terms = {"motion": deviations.square().mean(), "velocity": deviations.diff(dim=1).square().mean()}
    terms["lip"] = (error @ model.vq.lips).square().sum(-1).mean()
    terms["loss"] = terms["motion"] + velocity * terms["velocity"] + lip * terms["lip"]
    if model.local_path:
        terms["latent"] = F.mse_loss(features, model.targets(motion))
        terms["loss"] = terms["loss"] + latent * terms["latent"]
    return terms


def save(path: PathLike, model: DualPath, settings: dict) -> None:
    """Write the weights, the codebook's among them, as safetensors.

    Args:
        settings: keyword arguments that the model was built with.
    """
    facts = {"vq": model.vq.sizes, "settings": settings}
    save_model(path, model, _FORM, facts | {"speech": model.upper.hear.in_features, "styles": len(model.style.weight)})


def load(path: PathLike) -> DualPath:
    """Read what `save` wrote, in evaluation mode.

    Raises:
        ValueError: the file holds no such model, or its tensors do not fit.
        UnreadableError: it is damaged.
    """
    return load_model(path, _FORM, "a dual-path network", _build)


def _build(facts: dict) -> DualPath:
    vq = FacialVQ(torch.zeros(CHANNELS), torch.ones(CHANNELS), **facts["vq"])
    return DualPath(vq, facts["speech"], facts["styles"], **facts["settings"])
