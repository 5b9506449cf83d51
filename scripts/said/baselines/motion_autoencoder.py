"""CodeTalker's first stage: a VQ-VAE of facial motion, 16 codes a frame. Modules lie where the published keys say.

Features are normalised over time and attention has no mask, so that every frame depends on all; and a frame has no
position: the authors' code indexes its table by the batch, which gives every frame of a clip the first row.
"""

from collections.abc import Mapping
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Integer
from torch import Tensor, nn

from said.baselines.quantiser import VectorQuantiser
from said.baselines.speech_decoder import whole_vertices
from said.baselines.states import count_layers, from_state, read_size
from said.running.shapes import shaped

_REACH = 2
"""Frames that the convolution sees on either side; at the ends the outermost is repeated."""
_SLOPE = 0.2
_EPS = 1e-5
LEAST_FRAMES = 2
"""A single frame has no variance over time to be normalised by."""


class Attention(nn.Module):
    """Self-attention of all frames to all; scores are scaled by the whole width, not a head's."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.to_out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        query, key, value = (
            one.unflatten(-1, (self.heads, -1)).transpose(1, 2) for one in self.to_qkv(x).chunk(3, dim=-1)
        )
        seen = F.scaled_dot_product_attention(query, key, value, scale=x.shape[-1] ** -0.5)
        return self.to_out(seen.transpose(1, 2).flatten(2))

    def last(self, x: Tensor) -> Tensor:
        """What the last frame of (B, N, C) gets: (B, C).

        A single query makes it cheaper to bring the query to the frames and their mean to the values, than to map
        every frame to a key and a value.
        """
        to_query, to_key, to_value = (one.unflatten(0, (self.heads, -1)) for one in self.to_qkv.weight.chunk(3))
        query = torch.einsum("bc,hdc->bhd", x[:, -1], to_query)
        score = torch.einsum("bhd,hdc->bhc", query, to_key) @ x.mT * x.shape[-1] ** -0.5  # (B, heads, N)
        return self.to_out(torch.einsum("bhc,hdc->bhd", score.softmax(-1) @ x, to_value).flatten(1))


class MLP(nn.Module):
    def __init__(self, width: int, feed_forward: int):
        super().__init__()
        self.l1 = nn.Linear(width, feed_forward)
        self.l2 = nn.Linear(feed_forward, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C)."""
        return self.l2(F.gelu(self.l1(x), approximate="tanh"))


class Normed(nn.Module):
    """A layer on what a layer norm gives."""

    def __init__(self, width: int, layer: nn.Module):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fn = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.fn(self.norm(x))


class Residual(nn.Module):
    def __init__(self, layer: Normed):
        super().__init__()
        self.fn = layer

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fn(x)


class Transformer(nn.Module):
    """Attention and MLP by turns, pre-norm."""

    def __init__(self, width: int, heads: int, feed_forward: int, layers: int):
        super().__init__()
        self.net = nn.Sequential()
        for _ in range(layers):
            self.net.append(Residual(Normed(width, Attention(width, heads))))
            self.net.append(Residual(Normed(width, MLP(width, feed_forward))))

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        return self.net(x)

    def last(self, x: Tensor) -> Tensor:
        """The last frame of what `forward` gives, (B, C): its last layer is not needed for the others."""
        *layers, attention, mlp = cast(list[Residual], list(self.net))
        for layer in layers:
            x = layer(x)
        return mlp(x[:, -1] + cast(Attention, attention.fn.fn).last(attention.fn.norm(x)))


class ConstantPosition(nn.Module):
    """Adds the table's first row to every frame of every clip, then dropout."""

    pe: Tensor

    def __init__(self, width: int, dropout: float):
        super().__init__()
        place = torch.arange(5000, dtype=torch.float64)[:, None]
        angle = place * 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        self.register_buffer("pe", torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1).float()[:, None])
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        return self.dropout(x + self.pe[0, 0])


class LinearEmbedding(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.net = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


def convolution(width: int) -> nn.Sequential:
    """Over time, (B, C, N) -> (B, C, N), with its activation; what normalises over time is `normalise`."""
    conv = nn.Conv1d(width, width, 2 * _REACH + 1, padding=_REACH, padding_mode="replicate")
    return nn.Sequential(nn.Sequential(conv, nn.LeakyReLU(_SLOPE)))


def normalise(x: Tensor) -> Tensor:
    """Each channel of (B, N, C) to zero mean and unit variance over time."""
    variance, mean = torch.var_mean(x, dim=1, correction=0, keepdim=True)
    return (x - mean) * (variance + _EPS).rsqrt()


class Encoder(nn.Module):
    def __init__(self, vertices: int, width: int, heads: int, feed_forward: int, layers: int, dropout: float):
        super().__init__()
        self.vertice_mapping = nn.Sequential(nn.Linear(3 * vertices, width), nn.LeakyReLU(_SLOPE))
        self.squasher = convolution(width)
        self.encoder_transformer = Transformer(width, heads, feed_forward, layers)
        self.encoder_pos_embedding = ConstantPosition(width, dropout)
        self.encoder_linear_embedding = LinearEmbedding(width)

    def forward(self, offsets: Tensor) -> Tensor:
        """(B, N, 3V) -> (B, N, C)."""
        hidden = self.squasher(self.vertice_mapping(offsets).transpose(1, 2)).transpose(1, 2)
        return self.encoder_transformer(self.encoder_pos_embedding(self.encoder_linear_embedding(normalise(hidden))))


class Decoder(nn.Module):
    def __init__(self, vertices: int, width: int, heads: int, feed_forward: int, layers: int, dropout: float):
        super().__init__()
        self.expander = convolution(width)
        self.decoder_transformer = Transformer(width, heads, feed_forward, layers)
        self.decoder_pos_embedding = ConstantPosition(width, dropout)
        self.decoder_linear_embedding = LinearEmbedding(width)
        self.vertice_map_reverse = nn.Linear(width, 3 * vertices)

    def forward(self, features: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, 3V)."""
        hidden = self._embed(self.expander(features.transpose(1, 2)).transpose(1, 2))
        return self.vertice_map_reverse(self.decoder_transformer(hidden))

    def last(self, columns: Tensor) -> Tensor:
        """The last frame, (B, 3V), from what the convolution gave for all, (B, N, C)."""
        return self.vertice_map_reverse(self.decoder_transformer.last(self._embed(columns)))

    def _embed(self, columns: Tensor) -> Tensor:
        return self.decoder_pos_embedding(self.decoder_linear_embedding(normalise(columns)))


class MotionAutoencoder(nn.Module):
    """The VQ-VAE; its defaults are the published one's for VOCASET.

    Args:
        vertices: of the face.
        width: of encoder and decoder; heads, feed_forward, layers: of each.
        codes: in the codebook.
        code_width: of each; a frame has width / code_width codes.
        dropout: of the position, in training.
    """

    def __init__(
        self,
        vertices: int = 5023,
        *,
        width: int = 1024,
        heads: int = 8,
        feed_forward: int = 1536,
        layers: int = 6,
        codes: int = 256,
        code_width: int = 64,
        dropout: float = 0.1,
    ):
        super().__init__()
        if width % heads or width % 2:
            raise ValueError(f"the VQ-VAE's width of {width} must be even, and be divisible by its {heads} heads")
        if width % code_width:
            raise ValueError(
                f"the VQ-VAE's width of {width} is not a whole number of codes of the width that "
                f"quantize.embedding.weight has, {code_width}"
            )
        self.encoder = Encoder(vertices, width, heads, feed_forward, layers, dropout)
        self.decoder = Decoder(vertices, width, heads, feed_forward, layers, dropout)
        self.quantize = VectorQuantiser(codes, code_width)

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor], *, heads: int = 8) -> "MotionAutoencoder":
        """The published model, in evaluation mode; sizes are read off the shapes.

        Raises:
            ValueError: lists every missing, unexpected and misshapen key; or the sizes do not go together.
        """
        coordinates = {"vertice_mapping.0.weight": 1, "vertice_map_reverse.weight": 0, "vertice_map_reverse.bias": 0}
        sizes = {
            "width": read_size(state, {"norm.weight": 0, "norm.bias": 0, "0.0.bias": 0, "to_out.bias": 0}, 1024),
            "feed_forward": read_size(state, {"l1.weight": 0, "l1.bias": 0, "l2.weight": 1}, 1536),
            "layers": count_layers(state, "decoder.decoder_transformer.net.", 6),
            "codes": read_size(state, {"quantize.embedding.weight": 0}, 256),
            "code_width": read_size(state, {"quantize.embedding.weight": 1}, 64),
        }
        vertices = whole_vertices(read_size(state, coordinates, 15069))
        return from_state(lambda: cls(vertices, heads=heads, **sizes), state, "CodeTalker's autoencoder")

    @property
    def vertices(self) -> int:
        return self.decoder.vertice_map_reverse.out_features // 3

    @shaped
    def quantise(
        self, features: Float[Tensor, "*B C"]
    ) -> tuple[Float[Tensor, "*B C"], Integer[Tensor, "*B codes"], Float[Tensor, ""]]:
        """Features (B, N, C) by the nearest codes, with the gradient passed straight through.

        Returns:
            (B, N, C); (B, N, codes per frame) int64; a scalar, the quantiser's loss.
        """
        parts = features.unflatten(-1, (-1, self.quantize.embedding.embedding_dim))
        chosen, codes, loss = self.quantize(parts)
        return chosen.flatten(-2), codes, loss

    @shaped
    def lookup(self, codes: Integer[Tensor, "*B codes"]) -> Float[Tensor, "*B C"]:
        """(..., codes per frame) int64 -> (..., C)."""
        return self.quantize.lookup(codes).flatten(-2)

    @shaped
    def forward(
        self, offsets: Float[Tensor, "B N V3"]
    ) -> tuple[Float[Tensor, "B N V3"], Integer[Tensor, "B N codes"], Float[Tensor, ""]]:
        """Offsets from the template, as their codes say them.

        Args:
            offsets: (B, N, 3V), N at least 2.

        Returns:
            (B, N, 3V); (B, N, codes per frame) int64; a scalar, the quantiser's loss.
        """
        quantised, codes, loss = self.quantise(self.encoder(offsets))
        return self.decoder(quantised), codes, loss


class PrefixDecoder:
    """Decodes a clip that grows by a frame at a time, of which the newest is wanted, for a batch of clips.

    Each new frame changes the normalisation, and so everything, of those before; but for the convolution, of which
    the last three columns change, and what the last layers give for frames other than the last.
    """

    def __init__(self, decoder: Decoder, batch: int, frames: int):
        weight, self.bias = decoder.get_parameter("expander.0.0.weight"), decoder.get_parameter("expander.0.0.bias")
        width, _, taps = weight.shape
        self.decoder = decoder
        self.weight = weight.permute(2, 0, 1).flatten(0, 1).contiguous()  # (taps C, C)
        self.mapped = weight.new_zeros(batch, frames, taps, width)  # each frame by each tap
        self.columns = weight.new_zeros(batch, frames, width)
        self.frames = 0

    def append(self, features: Tensor) -> Tensor:
        """The offsets (B, 3V) of the frame that is added by its features (B, C).

        The first is decoded as if it came twice; its features then cancel in the normalisation.
        """
        now = self.frames
        self.mapped[:, now] = F.linear(features, self.weight).unflatten(-1, self.mapped.shape[2:])
        changed = torch.arange(max(0, now - _REACH), now + 1, device=features.device)
        tap = torch.arange(2 * _REACH + 1, device=features.device)
        source = (changed[:, None] + tap - _REACH).clamp(0, now)
        self.columns[:, changed] = F.leaky_relu(self.mapped[:, source, tap].sum(2) + self.bias, _SLOPE)
        self.frames += 1
        columns = self.columns[:, : self.frames]
        return self.decoder.last(columns if now else columns.expand(-1, LEAST_FRAMES, -1))


@shaped
def autoencoder_loss(
    autoencoder: MotionAutoencoder, offsets: Float[Tensor, "B N V3"], quantiser: float = 1.0
) -> tuple[Float[Tensor, ""], ...]:
    """What the first stage minimises, for offsets (B, N, 3V).

    Returns:
        three scalars: the sum, with the quantiser's loss times `quantiser`; mean absolute error; the quantiser's loss.
    """
    decoded, _, loss = autoencoder(offsets)
    error = F.l1_loss(decoded, offsets)
    return error + quantiser * loss, error, loss
