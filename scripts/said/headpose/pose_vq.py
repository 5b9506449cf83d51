"""The pose VQ-VAE (supplement, Section 1.2): head motion as a few codes per block of frames.

Stated: a VQ-VAE whose encoder and decoder have six Transformer layers of four heads. Decided here: blocks of four
frames (0.16 s), and four codes a block, each from a codebook of its own; one code a block loses nods and shakes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Integer
from numpy.typing import ArrayLike
from torch import Tensor, nn

from said.baselines.positions import periodic_encoding
from said.baselines.quantiser import ProductQuantiser
from said.files.models import load_model, save_model
from said.running.atomic import PathLike
from said.running.shapes import shaped

COORDINATES = 6
"""Of a pose: the head's forward and up axes."""
FORM = "said-pose-vq-1"


@dataclass(frozen=True)
class PoseVQConfig:
    """Sizes of a `PoseVQ`; the defaults are those of the paper's scale.

    Attributes:
        block: frames of a token.
        tokens: most tokens that are seen at once: those of a clip of 200 frames.
        components: codes of a token.
        codes: in each codebook.
        code_width: of each.
        width, heads, feed_forward, layers: of encoder and decoder, each.
        dropout: in training.
    """

    block: int = 4
    tokens: int = 50
    components: int = 4
    codes: int = 64
    code_width: int = 12
    width: int = 256
    heads: int = 4
    feed_forward: int = 512
    layers: int = 6
    dropout: float = 0.0

    @property
    def frames(self) -> int:
        """Most frames that are seen at once."""
        return self.block * self.tokens


def transformer(width: int, heads: int, feed_forward: int, layers: int, dropout: float) -> nn.TransformerEncoder:
    """Pre-norm layers in which every token sees every other."""
    layer = nn.TransformerEncoderLayer(
        width, heads, feed_forward, dropout, activation="gelu", batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


class PoseVQ(nn.Module):
    """Blocks of directions to codes and back. Coordinates are standardised by those of the training clips.

    Args:
        config: its sizes.
    """

    position: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, config: PoseVQConfig):
        super().__init__()
        self.config = config
        latent = config.components * config.code_width
        shape = (config.width, config.heads, config.feed_forward, config.layers, config.dropout)
        self.block_map = nn.Linear(COORDINATES * config.block, config.width)
        self.encoder = transformer(*shape)
        self.latent_map = nn.Linear(config.width, latent)
        self.quantiser = ProductQuantiser(config.components, config.codes, config.code_width)
        self.code_map = nn.Linear(latent, config.width)
        self.decoder = transformer(*shape)
        self.motion_map = nn.Linear(config.width, COORDINATES * config.block)
        self.register_buffer("position", periodic_encoding(config.tokens, config.width, config.tokens), False)
        self.register_buffer("mean", torch.zeros(COORDINATES))
        self.register_buffer("deviation", torch.ones(COORDINATES))

    @shaped
    def vectors(self, directions: Float[Tensor, "B N 6"]) -> Float[Tensor, "B M latent"]:
        """What is quantised: (B, N, 6) directions -> (B, N / block, components * code_width).

        Raises:
            ValueError: N is no whole number of blocks, or more than are seen at once.
        """
        return self.latent_map(self.encoder(self._placed(self.block_map(self.blocks(directions)))))

    @shaped
    def blocks(self, directions: Float[Tensor, "B N 6"]) -> Float[Tensor, "B M coordinates"]:
        """Standardised blocks: (B, N, 6) -> (B, N / block, 6 block)."""
        frames, block = directions.shape[1], self.config.block
        if frames % block or not 0 < frames <= self.config.frames:
            raise ValueError(
                f"expected directions (B, N, {COORDINATES}), N a multiple of {block} up to {self.config.frames}, got "
                f"{tuple(directions.shape)}"
            )
        return ((directions - self.mean) / self.deviation).unflatten(1, (-1, block)).flatten(2)

    @shaped
    def motion(self, blocks: Float[Tensor, "B M coordinates"]) -> Float[Tensor, "B N 6"]:
        """Directions of standardised blocks: the inverse of `blocks`."""
        frames = blocks.unflatten(-1, (self.config.block, COORDINATES)).flatten(1, 2)
        return frames * self.deviation + self.mean

    @shaped
    def rebuild(self, quantised: Float[Tensor, "B M latent"]) -> Float[Tensor, "B M coordinates"]:
        """Standardised blocks from quantised vectors, M at most `tokens`."""
        return self.motion_map(self.decoder(self._placed(self.code_map(quantised))))

    @torch.no_grad()
    @shaped
    def encode(self, directions: Float[Tensor, "B N 6"]) -> Integer[Tensor, "B M components"]:
        """The codes of a motion; shapes and errors as `vectors`."""
        return self.quantiser.nearest(self.vectors(directions))

    @torch.no_grad()
    @shaped
    def decode(self, codes: Integer[Tensor, "B M components"]) -> Float[Tensor, "B N 6"]:
        """The motion of codes: (B, M, components) int64, M of any length -> (B, M * block, 6) directions.

        The decoder sees `tokens` at once. Longer motion is decoded in windows that overlap by half, each fading into
        the next.
        """
        tokens, count = self.config.tokens, codes.shape[1]
        parts = [codes[:, start : start + tokens] for start in window_starts(count, tokens)]
        return self.motion(self.overlap([self.rebuild(self.quantiser.lookup(part)) for part in parts], count))

    def overlap(self, windows: Sequence[Tensor], count: int) -> Tensor:
        """One sequence (B, count, C) of windows (B, up to `tokens`, C), where two overlap each fades into the next."""
        tokens, starts = self.config.tokens, window_starts(count, self.config.tokens)
        first = windows[0]
        whole, weight = first.new_zeros(len(first), count, first.shape[-1]), first.new_zeros(count, 1)
        for start, window in zip(starts, windows, strict=True):
            ramp = _ramp(window.shape[1], tokens, rises=start > 0, falls=start < starts[-1]).to(first)
            whole[:, start : start + tokens] += ramp * window
            weight[start : start + tokens] += ramp
        return whole / weight

    def _placed(self, tokens: Tensor) -> Tensor:
        return tokens + self.position[: tokens.shape[1]]


def window_starts(count: int, tokens: int) -> list[int]:
    """First tokens of the windows over `count` tokens: `tokens` long, each half a window after the one before."""
    hop = max(1, tokens // 2)
    return [0, *range(hop, count - tokens + hop, hop)]


def _ramp(count: int, tokens: int, *, rises: bool, falls: bool) -> Tensor:
    """(count, 1) weights of a window's tokens: its beginning is shared with the one before, its end with the next."""
    hop = max(1, tokens // 2)
    weight = torch.ones(count, 1)
    rise = (torch.arange(tokens - hop)[:, None] + 0.5) / max(1, tokens - hop)
    if rises:
        weight[: tokens - hop] *= rise
    if falls:
        weight[hop:] *= rise.flip(0)
    return weight


@shaped
def pose_vq_loss(
    model: PoseVQ, directions: Float[Tensor, "B N 6"], *, velocity: float = 4.0, quantiser: float = 1.0
) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
    """What the training minimises, in standard deviations of the coordinates.

    Args:
        directions: (B, N, 6).
        velocity: weight of the mean absolute error of the change from frame to frame.
        quantiser: weight of the quantiser's loss.

    Returns:
        the sum; its terms by name: `pose` and `velocity`, mean absolute errors, and `quantiser`.
    """
    quantised, _, distance = model.quantiser(model.vectors(directions))
    truth = model.blocks(directions).unflatten(-1, (-1, COORDINATES)).flatten(1, 2)
    made = model.rebuild(quantised).unflatten(-1, (-1, COORDINATES)).flatten(1, 2)
    pose, change = F.l1_loss(made, truth), F.l1_loss(made.diff(dim=1), truth.diff(dim=1))
    terms = {"pose": pose.detach(), "velocity": change.detach(), "quantiser": distance.detach()}
    return pose + velocity * change + quantiser * distance, terms


def standardise(model: PoseVQ, directions: ArrayLike) -> None:
    """Take the mean and the deviation of each coordinate from directions (..., 6) of the training clips."""
    values = np.asarray(directions, dtype=np.float64).reshape(-1, COORDINATES)
    model.mean.copy_(torch.from_numpy(values.mean(0)))
    model.deviation.copy_(torch.from_numpy(values.std(0).clip(1e-3)))


def save(path: PathLike, model: PoseVQ) -> None:
    """Write a model as safetensors."""
    save_model(path, model, FORM, {"config": vars(model.config)})


def load(path: PathLike) -> PoseVQ:
    """Read what `save` wrote, in evaluation mode; errors as `said.files.models.load_model`."""
    return load_model(path, FORM, "a pose VQ-VAE", lambda facts: PoseVQ(PoseVQConfig(**facts["config"])))
