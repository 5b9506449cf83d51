"""The space of facial motion: a VQ-VAE of blocks of 8 frames (supplement, Section 1.1).

Stated: the linear embedding; the convolution of kernel 5, stride 1, padding 2; the Transformer of 6 layers and 8 heads;
a decoder that mirrors the encoder. As CodeTalker has it: several codes a frame, and its loss. Ours: a codebook for each
of them; no normalisation over time, which would erase the level of so short a block; a position that is learnt.
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
from said.headpose.blocks import BLOCK, at_30, at_60
from said.running.atomic import PathLike
from said.running.shapes import shaped

CHANNELS = len(SPEECH_BLENDSHAPES)
_SLOPE = 0.2
_FORM = "said-facial-vq-1"


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
    """Over time, (B, N, width) -> (B, N, width); at the ends the outermost frame is repeated. It starts as identity."""

    def __init__(self, width: int):
        convolution = nn.Conv1d(width, width, 5, padding=2, padding_mode="replicate")
        nn.init.dirac_(convolution.weight)
        assert convolution.bias is not None
        nn.init.zeros_(convolution.bias)
        super().__init__(convolution, nn.LeakyReLU(_SLOPE))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class _Placed(nn.Module):
    """Adds to each frame of a block what is learnt of its place."""

    def __init__(self, width: int):
        super().__init__()
        self.place = nn.Parameter(0.02 * torch.randn(BLOCK, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.place


class FacialVQ(nn.Module):
    """The VQ-VAE. Coefficients are standardised before it, and brought back after it.

    Args:
        mean: (32,) of the coefficients.
        std: (32,) their deviations; below 0.01 they count as that.
        width: of encoder and decoder; heads, feed_forward, layers: of each.
        codes: in each codebook; code_width: of each; components: codes of a frame, and codebooks.
        dropout: of the Transformers, in training.

    Raises:
        ValueError: the width is not a multiple of the heads.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: ArrayLike | Tensor,
        std: ArrayLike | Tensor,
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
        self.encoder = nn.Sequential(
            nn.Linear(CHANNELS, width),
            nn.LeakyReLU(_SLOPE),
            _Convolution(width),
            _Placed(width),
            transformer(width, heads, feed_forward, layers, dropout),
            nn.Linear(width, components * code_width),
        )
        self.quantiser = ProductQuantiser(components, codes, code_width)
        self.decoder = nn.Sequential(
            nn.Linear(components * code_width, width),
            _Placed(width),
            transformer(width, heads, feed_forward, layers, dropout),
            _Convolution(width),
            nn.Linear(width, CHANNELS),
        )

    @shaped
    def encode(self, blocks: Float[Tensor, "B 8 32"]) -> Float[Tensor, "B 8 features"]:
        """Features of blocks (B, 8, 32) of coefficients, before they are quantised: (B, 8, components * code width)."""
        return self.encoder((blocks - self.mean) / self.std)

    @shaped
    def decode(self, features: Float[Tensor, "B 8 features"]) -> Float[Tensor, "B 8 32"]:
        """Coefficients, not clipped, of features."""
        return self.decoder(features) * self.std + self.mean

    @shaped
    def forward(
        self, blocks: Float[Tensor, "B 8 32"]
    ) -> tuple[Float[Tensor, "B 8 32"], Integer[Tensor, "B 8 components"], Float[Tensor, ""]]:
        """Blocks as their codes say them.

        Returns:
            (B, 8, 32) coefficients, not clipped; (B, 8, components) int64 the codes; a scalar, the quantiser's loss.
        """
        quantised, codes, loss = self.quantiser(self.encode(blocks))
        return self.decode(quantised), codes, loss

    def reconstruct(self, motion: Float[Tensor, "N 32"]) -> Tensor:
        """A whole motion (N, 32) at 30 frames per second through the codes of its blocks: (N, 32) in [0, 1]."""
        blocks = F.pad(motion.T, (0, -len(motion) % BLOCK), mode="replicate").T.unflatten(0, (-1, BLOCK))
        return self(blocks)[0].flatten(0, 1)[: len(motion)].clamp(0, 1)


@shaped
def facial_vq_loss(
    vq: FacialVQ, blocks: Float[Tensor, "B 8 32"], *, quantiser: float = 1.0, velocity: float = 0.5
) -> dict[str, Tensor]:
    """What the VQ-VAE minimises, for blocks (B, 8, 32); errors are in units of each coefficient's deviation.

    Returns:
        loss, the sum with these weights; motion, the mean absolute error; velocity, that of the steps from frame to
        frame; quantiser, the quantiser's loss; perplexity, of the codes in these blocks, in the codebook
        least in use.
    """
    made, codes, lost = vq(blocks)
    error = (made - blocks) / vq.std
    motion, steps = error.abs().mean(), error.diff(dim=1).abs().mean()
    loss = motion + velocity * steps + quantiser * lost
    perplexity = vq.quantiser.perplexity(codes).min()
    return {"loss": loss, "motion": motion, "velocity": steps, "quantiser": lost, "perplexity": perplexity}


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
