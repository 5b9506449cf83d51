"""Vector quantisation (VQ-VAE): continuous features replaced by the nearest of a few learned vectors."""

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
