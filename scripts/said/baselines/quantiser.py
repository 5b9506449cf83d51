"""Vector quantisation (VQ-VAE): continuous features replaced by the nearest of a few learned vectors."""

from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Integer
from torch import Tensor, nn

from said.running.shapes import shaped


class VectorQuantiser(nn.Module):
    """A codebook, in which gradients pass straight through the choice.

    Args:
        codes: vectors in the codebook; they start uniform in +-1/codes.
        width: of each.
        commitment: weight of the loss that keeps features near their codes.
    """

    def __init__(self, codes: int, width: int, commitment: float = 0.25):
        super().__init__()
        self.commitment = commitment
        self.embedding = nn.Embedding(codes, width)
        nn.init.uniform_(self.embedding.weight, -1 / codes, 1 / codes)

    @shaped
    def nearest(self, vectors: Float[Tensor, "*B width"]) -> Integer[Tensor, "*B"]:
        """(..., width) -> (...) int64, the nearest code by Euclidean distance; of equals the first."""
        codebook = self.embedding.weight
        # |v - c|^2 without |v|^2, which is the same for all codes
        return (codebook.square().sum(-1) - 2 * vectors @ codebook.T).argmin(-1)

    @shaped
    def lookup(self, codes: Integer[Tensor, "*B"]) -> Float[Tensor, "*B width"]:
        """(...) int64 -> (..., width)."""
        return self.embedding(codes)

    @shaped
    def forward(
        self, vectors: Float[Tensor, "*B width"]
    ) -> tuple[Float[Tensor, "*B width"], Integer[Tensor, "*B"], Float[Tensor, ""]]:
        """Quantise, and say how much was lost.

        Args:
            vectors: (..., width).

        Returns:
            (..., width) the codes' vectors, whose gradient goes to `vectors` unchanged; (...) int64 the codes; a
            scalar, the mean squared distance, that moves the codebook, plus `commitment` times the same, that moves
            the features.
        """
        codes = self.nearest(vectors)
        chosen = self.lookup(codes)
        loss = F.mse_loss(chosen, vectors.detach()) + self.commitment * F.mse_loss(vectors, chosen.detach())
        return vectors + (chosen - vectors).detach(), codes, loss

    @shaped
    def perplexity(self, codes: Integer[Tensor, "*B"]) -> Float[Tensor, ""]:
        """How many codes are in use: the exponential of the entropy of (...) codes, from 1 to the codebook's size."""
        share = torch.bincount(codes.flatten(), minlength=self.embedding.num_embeddings) / codes.numel()
        return (-(share * (share + 1e-10).log()).sum()).exp()


class ProductQuantiser(nn.Module):
    """Several codebooks side by side: each quantises a part of its own of every vector.

    Args:
        components: codebooks, and parts of a vector.
        codes: vectors in each codebook.
        width: of each part.
        commitment: see `VectorQuantiser`.
    """

    def __init__(self, components: int, codes: int, width: int, commitment: float = 0.25):
        super().__init__()
        self.books = nn.ModuleList(VectorQuantiser(codes, width, commitment) for _ in range(components))

    @property
    def codebooks(self) -> list[VectorQuantiser]:
        return cast(list[VectorQuantiser], list(self.books))

    @shaped
    def nearest(self, vectors: Float[Tensor, "*B width"]) -> Integer[Tensor, "*B components"]:
        """(..., components * width) -> (..., components) int64."""
        parts = vectors.chunk(len(self.books), dim=-1)
        return torch.stack([book.nearest(part) for book, part in zip(self.codebooks, parts, strict=True)], dim=-1)

    @shaped
    def lookup(self, codes: Integer[Tensor, "*B components"]) -> Float[Tensor, "*B width"]:
        """(..., components) int64 -> (..., components * width)."""
        return torch.cat([book.lookup(codes[..., index]) for index, book in enumerate(self.codebooks)], dim=-1)

    @shaped
    def forward(
        self, vectors: Float[Tensor, "*B width"]
    ) -> tuple[Float[Tensor, "*B width"], Integer[Tensor, "*B components"], Float[Tensor, ""]]:
        """As `VectorQuantiser`, part by part; the loss is the mean of the codebooks'."""
        parts = vectors.chunk(len(self.books), dim=-1)
        made = [book(part) for book, part in zip(self.codebooks, parts, strict=True)]
        quantised, codes, losses = zip(*made, strict=True)
        return torch.cat(quantised, dim=-1), torch.stack(codes, dim=-1), torch.stack(losses).mean()

    @shaped
    def perplexity(self, codes: Integer[Tensor, "*B components"]) -> Float[Tensor, " components"]:
        """(components,) of each codebook, see `VectorQuantiser.perplexity`."""
        return torch.stack([book.perplexity(codes[..., index]) for index, book in enumerate(self.codebooks)])


class CodeRenewal:
    """Moves codes that no vector chooses to where vectors are, so that small data does not leave codebooks idle.

    A code is idle when its share of the choices, a running mean over steps, falls below a part of the uniform share.

    Args:
        quantiser: its codebooks are changed in place.
        least: that part.
        decay: of the running mean, per step.

    Attributes:
        use: (components, codes) the running means, over the uniform share; a part of the state of a training.
    """

    def __init__(self, quantiser: ProductQuantiser, least: float = 0.02, decay: float = 0.98):
        self.quantiser, self.least, self.decay = quantiser, least, decay
        weight = quantiser.codebooks[0].embedding.weight
        self.use = torch.ones(len(quantiser.books), len(weight), device=weight.device)

    @torch.no_grad()
    def __call__(self, vectors: Tensor, generator: torch.Generator) -> None:
        """Count the choices of vectors (..., components * width), and replace idle codes by some of these vectors.

        Args:
            generator: draws them, on the CPU.
        """
        vectors = vectors.flatten(0, -2)
        chosen, count = self.quantiser.nearest(vectors), self.use.shape[1]
        for use, codes in zip(self.use, chosen.T, strict=True):
            share = torch.bincount(codes, minlength=count) * (count / len(vectors))
            use.lerp_(share.to(use), 1 - self.decay)
        self._move(self.use < self.least, vectors, generator)

    @torch.no_grad()
    def begin(self, vectors: Tensor, generator: torch.Generator) -> None:
        """Set every code to one of the vectors (..., components * width)."""
        self._move(torch.ones_like(self.use, dtype=torch.bool), vectors.flatten(0, -2), generator)

    def _move(self, idle: Tensor, vectors: Tensor, generator: torch.Generator) -> None:
        parts = vectors.chunk(len(idle), dim=-1)
        for book, part, own in zip(self.quantiser.codebooks, parts, idle, strict=True):
            weight = book.embedding.weight
            drawn = torch.randint(len(part), (len(weight),), generator=generator).to(part.device)
            weight.copy_(torch.where(own[:, None], part[drawn].to(weight), weight))
        self.use.masked_fill_(idle, 1.0)
