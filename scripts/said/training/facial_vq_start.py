"""Where the training of the space of facial motion begins: at the principal components, and at means of clusters.

From weights that are drawn, a few hundred steps lead to codes of which half say nothing. From here a frame is well said
before the first step, so that all steps serve what is left.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from said.baselines.quantiser import ProductQuantiser
from said.headpose.facial_vq import CHANNELS, SLOPE, FacialVQ

_ROUNDS = 10
"""Of Lloyd's algorithm."""


@torch.no_grad()
def begin_at_components(vq: FacialVQ, frames: Tensor, metric: Tensor) -> None:
    """Let features be principal components of single frames, dealt out so that each codebook has large and small ones.

    A component goes through the layers, which begin as identity, as a pair x and -x: of both leaks together remains
    what is linear. As many have room as half the width, and as the features.

    Args:
        frames: (M, 32) coefficients.
        metric: (32, 32), positive definite: z metric z' is the square of an error z in deviations.
    """
    values, axes = torch.linalg.eigh(metric)
    root = axes * values.sqrt() @ axes.T
    _, principal = torch.linalg.eigh(torch.cov((((frames - vq.mean) / vq.std) @ root).T))
    principal = principal.flip(1)  # the largest first
    into, back = root @ principal, principal.T @ torch.linalg.inv(root)
    sizes = vq.sizes
    place = dealt(CHANNELS, sizes["components"], sizes["code_width"])[: sizes["width"] // 2]
    count = len(place)
    positive, negative = torch.arange(count), torch.arange(count, 2 * count)

    first, last = (_linear(vq.encoder, end) for end in (0, -1))
    for layer in (first, last):
        layer.bias.zero_()
    last.weight.zero_()
    for own, sign in ((positive, 1.0), (negative, -1.0)):
        first.weight[own] = sign * into[:, :count].T
        last.weight[place, own] = sign / (1 + SLOPE**2)  # two leaks: that of the embedding and that of the convolution

    first, last = (_linear(vq.decoder, end) for end in (0, -1))
    for layer in (first, last):
        layer.bias.zero_()
    first.weight[: 2 * count] = 0
    last.weight.zero_()
    for own, sign in ((positive, 1.0), (negative, -1.0)):
        first.weight[own, place] = sign
        last.weight[:, own] = sign / (1 + SLOPE) * back[:count].T


def dealt(count: int, components: int, code_width: int) -> Tensor:
    """Place among the features of each of `count` numbers, the largest first, dealt to the codebooks to and fro.

    So the first codebook has the largest and, of the next round, the smallest. What has no room is left out.
    """
    rounds = [list(range(components))[:: 1 if turn % 2 == 0 else -1] for turn in range(code_width)]
    places = [book * code_width + turn for turn, books in enumerate(rounds) for book in books]
    return torch.tensor(places[:count])


@torch.no_grad()
def settle(quantiser: ProductQuantiser, vectors: Tensor) -> None:
    """Move each code to the mean of those vectors (N, components * code width) to which it is nearest, and again."""
    for book, part in zip(quantiser.codebooks, vectors.chunk(len(quantiser.books), dim=-1), strict=True):
        weight = book.embedding.weight
        for _ in range(_ROUNDS):
            chosen = F.one_hot(book.nearest(part), len(weight)).to(part)
            counts = chosen.sum(0)[:, None]
            weight.copy_(torch.where(counts > 0, chosen.T @ part / counts.clamp(min=1), weight))


def _linear(part: nn.Sequential, number: int) -> nn.Linear:
    layer = part[number]
    assert isinstance(layer, nn.Linear)
    return layer
