"""The space of facial motion: a VQ-VAE of blocks of 8 frames (supplement, Section 1.1).

Stated: the linear embedding; the convolution of kernel 5, stride 1, padding 2; the Transformer of 6 layers and 8 heads;
a decoder that mirrors the encoder. As CodeTalker has it: several codes a frame, and its loss. Ours: a codebook for each
of them; no normalisation over time, which would erase the level of so short a block; a position that is learnt; and
convolutions that go on over the borders of blocks, where blocks that are decoded one by one would jump.
"""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Integer
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from said.arkit import SPEECH_BLENDSHAPES
from said.baselines.quantiser import ProductQuantiser
from said.files.models import load_model, save_model
from said.headpose.blocks import BLOCK, INNER, STEPS, at_30, at_60
from said.running.atomic import PathLike
from said.running.shapes import shaped

CHANNELS = len(SPEECH_BLENDSHAPES)
SLOPE = 0.2
_FORM = "said-facial-vq-2"


def transformer(width: int, heads: int, feed_forward: int, layers: int, dropout: float) -> nn.TransformerEncoder:
    """A pre-norm Transformer (B, N, width) -> (B, N, width), every frame of which sees all.

    Its layers start as if they were not there: a small set of data is soon learnt through few layers, not through many.
    """
    layer = nn.TransformerEncoderLayer(
        width, heads, feed_forward, dropout, activation="gelu", batch_first=True, norm_first=True
    )
    for last in (layer.self_attn.out_proj, layer.linear2):
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


class _Convolution(nn.Sequential):
    """Over a whole motion, (B, N, width) -> (B, N, width), whose ends are repeated beyond it. It starts as identity."""

    def __init__(self, width: int):
        convolution = nn.Conv1d(width, width, 5, padding=2, padding_mode="replicate")
        nn.init.dirac_(convolution.weight)
        assert convolution.bias is not None
        nn.init.zeros_(convolution.bias)
        super().__init__(convolution, nn.LeakyReLU(SLOPE))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class _WithinBlocks(nn.Module):
    """A Transformer, (B, N, width) -> (B, N, width), whose every frame sees those of its block; and learnt places."""

    def __init__(self, width: int, heads: int, feed_forward: int, layers: int, dropout: float):
        super().__init__()
        self.place = nn.Parameter(0.02 * torch.randn(BLOCK, width))
        self.layers = transformer(width, heads, feed_forward, layers, dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.reshape(-1, BLOCK, x.shape[-1]) + self.place).reshape(x.shape)


def in_whole_blocks(sequence: Float[Tensor, "N K"]) -> Tensor:
    """A sequence (N, K), N >= 1, whose last frame is repeated until the last block is whole."""
    return F.pad(sequence.T, (0, -len(sequence) % BLOCK), mode="replicate").T


class FacialVQ(nn.Module):
    """The VQ-VAE. Coefficients are standardised before it, and brought back after it.

    Args:
        mean: (32,) of the coefficients.
        std: (32,) their deviations; below 0.01 they count as that.
        lips: (32, 32) what they do to the lips, see `said.headpose.lips`, in the lips' deviation; None: nothing. It
            weighs errors.
        width: of encoder and decoder; heads, feed_forward, layers: of each.
        codes: in each codebook; code_width: of each; components: codes of a frame, and codebooks.
        dropout: of the Transformers, in training.

    Raises:
        ValueError: the width is not a multiple of the heads.
    """

    mean: Tensor
    std: Tensor
    lips: Tensor

    def __init__(
        self,
        mean: ArrayLike | Tensor,
        std: ArrayLike | Tensor,
        lips: ArrayLike | Tensor | None = None,
        *,
        width: int = 1024,
        heads: int = 8,
        feed_forward: int = 1536,
        layers: int = 6,
        codes: int = 256,
        code_width: int = 64,
        components: int = 16,
        dropout: float = 0.0,
    ):
        super().__init__()
        if width % heads:
            raise ValueError(f"the VQ-VAE's width of {width} cannot be divided into {heads} heads")
        self.sizes = {"width": width, "heads": heads, "feed_forward": feed_forward, "layers": layers}
        self.sizes |= {"codes": codes, "code_width": code_width, "components": components}
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.as_tensor(std, dtype=torch.float32).clamp(min=0.01))
        nothing = torch.zeros(CHANNELS, CHANNELS)
        self.register_buffer("lips", nothing if lips is None else torch.as_tensor(lips, dtype=torch.float32))
        self.encoder = nn.Sequential(
            nn.Linear(CHANNELS, width),
            nn.LeakyReLU(SLOPE),
            _Convolution(width),
            _WithinBlocks(width, heads, feed_forward, layers, dropout),
            nn.Linear(width, components * code_width),
        )
        self.quantiser = ProductQuantiser(components, codes, code_width)
        self.decoder = nn.Sequential(
            nn.Linear(components * code_width, width),
            _WithinBlocks(width, heads, feed_forward, layers, dropout),
            _Convolution(width),
            nn.Linear(width, CHANNELS),
        )

    @shaped
    def encode(self, motion: Float[Tensor, "B N 32"]) -> Float[Tensor, "B N features"]:
        """Features of motion (B, N, 32), before they are quantised: (B, N, components * code width).

        Raises:
            ValueError: N is no whole number of blocks.
        """
        require_blocks(motion.shape[1])
        return self.encoder((motion - self.mean) / self.std)

    @shaped
    def decode(self, features: Float[Tensor, "B N features"]) -> Float[Tensor, "B N 32"]:
        """Coefficients, not clipped, of features; errors as `encode`."""
        require_blocks(features.shape[1])
        return self.decoder(features) * self.std + self.mean

    @shaped
    def forward(
        self, motion: Float[Tensor, "B N 32"]
    ) -> tuple[Float[Tensor, "B N 32"], Integer[Tensor, "B N components"], Float[Tensor, ""]]:
        """Motion as its codes say it.

        Args:
            motion: (B, N, 32) coefficients, N a multiple of 8.

        Returns:
            (B, N, 32) coefficients, not clipped; (B, N, components) int64 the codes; a scalar, the quantiser's loss.
        """
        quantised, codes, loss = self.quantiser(self.encode(motion))
        return self.decode(quantised), codes, loss

    def reconstruct(self, motion: Float[Tensor, "N 32"]) -> Tensor:
        """A whole motion (N, 32) at 30 frames per second through the codes of its blocks: (N, 32) in [0, 1]."""
        return self(in_whole_blocks(motion)[None])[0][0, : len(motion)].clamp(0, 1)


def require_blocks(frames: int) -> None:
    """Refuse motion that is no whole number of blocks.

    Raises:
        ValueError: it is not.
    """
    if frames % BLOCK:
        raise ValueError(f"{frames} frames are no whole number of blocks of {BLOCK}; repeat the last one")


@shaped
def facial_vq_loss(
    vq: FacialVQ,
    blocks: Float[Tensor, "B 24 32"],
    features: Float[Tensor, "B 24 features"] | None = None,
    /,
    *,
    quantiser: float = 1.0,
    velocity: float = 0.5,
    lip: float = 1.0,
) -> dict[str, Tensor]:
    """What the VQ-VAE minimises, for blocks between their neighbours (B, 24, 32).

    Errors count in the blocks, in units of each coefficient's deviation; those of steps from frame to frame also where
    they lead into a block and out of it.

    Args:
        features: of the blocks, where they are known.

    Returns:
        loss, the sum with these weights; motion, the mean absolute error; velocity, that of the steps; lip, how far
        the lips are from their place, in their deviation; quantiser, the quantiser's loss; perplexity, of the codes in
        these blocks, in the codebook least in use.
    """
    quantised, codes, lost = vq.quantiser(vq.encode(blocks) if features is None else features)
    error = vq.decode(quantised) - blocks
    deviations = error / vq.std
    terms = {
        "motion": deviations[:, INNER].abs().mean(),
        "velocity": deviations[:, STEPS].diff(dim=1).abs().mean(),
        "lip": (error[:, INNER] @ vq.lips).norm(dim=-1).mean(),
        "quantiser": lost,
    }
    weights = {"motion": 1.0, "velocity": velocity, "lip": lip, "quantiser": quantiser}
    terms["loss"] = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
    return terms | {"perplexity": vq.quantiser.perplexity(codes[:, INNER]).min()}


@torch.no_grad()
def in_codes(vq: FacialVQ, motion: NDArray) -> NDArray[np.float32]:
    """A motion (N, 32), 60 frames per second, as the codes of every second frame say it: (N, 32) in [0, 1]."""
    halved = np.ascontiguousarray(at_30(motion), np.float32)
    return at_60(vq.reconstruct(torch.from_numpy(halved)).numpy(), len(motion))


def save(path: PathLike, vq: FacialVQ) -> None:
    """Write the weights as safetensors."""
    save_model(path, vq, _FORM, vq.sizes)


def load(path: PathLike) -> FacialVQ:
    """Read what `save` wrote, in evaluation mode.

    Raises:
        ValueError: the file holds no such model, or its tensors do not fit.
        UnreadableError: it is damaged.
    """
    return load_model(path, _FORM, "a VQ-VAE of facial motion", _build)


def _build(facts: dict) -> FacialVQ:
    return FacialVQ(
        torch.zeros(CHANNELS), torch.ones(CHANNELS), **{key: value for key, value in facts.items() if key != "format"}
    )
