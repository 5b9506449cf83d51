"""Motion from speech, frame after frame: what FaceFormer and CodeTalker have in common.

A Transformer decoder gives each frame from its own frame of speech and from all frames before, which are fed back to
it. Modules lie where the published keys say.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import ArrayLike
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model

from said.baselines.positions import PeriodicEncoding, causal_bias, distance_bias
from said.baselines.states import count_layers, read_size
from said.running.shapes import shaped
from said.speech import contextualise, encode, receptive_field
from said.waveforms import frame_count

FRAME_RATE = 30
"""Frames per second of the motion: every other one of VOCASET's."""
_FEATURE_RATE = 50
"""Of the speech encoder's features, as the authors count them."""
KeysAndValues = tuple[Tensor, Tensor]


def motion_frames(samples: int, config: Wav2Vec2Config) -> int:
    """Frames of motion that the models give for a waveform at 16 kHz.

    In floating point and cut off, as in the authors' implementation: some lengths lose a frame, 205 features of speech
    give 122.
    """
    for kernel, step in zip(config.conv_kernel, config.conv_stride, strict=True):
        samples = max(0, (samples - kernel) // step + 1)  # features, about 50 per second
    return frame_count(samples, _FEATURE_RATE, FRAME_RATE, rounding="truncated")


class DecoderLayer(nn.TransformerDecoderLayer):
    """A post-norm layer whose frames each see their own frame of speech alone.

    Attention to a single frame is that frame's value, whatever the query: a linear map of the speech, which `hear`
    computes once. The weights of its queries and keys are published, and do nothing.
    """

    def hear(self, memory: Tensor) -> Tensor:
        """What cross-attention adds to each frame: (B, N, width) -> (B, N, width)."""
        attention = self.multihead_attn
        weight, bias = attention.in_proj_weight.chunk(3)[2], attention.in_proj_bias.chunk(3)[2]
        value = F.linear(memory, weight, bias).unflatten(-1, (attention.num_heads, -1))
        if self.training:  # of the one weight, 1, that each head has
            value = value * F.dropout(torch.ones_like(value[..., :1]), attention.dropout)
        return self.dropout2(attention.out_proj(value.flatten(2)))

    def forward(
        self, x: Tensor, heard: Tensor, bias: Tensor, past: KeysAndValues | None = None
    ) -> tuple[Tensor, KeysAndValues]:
        """The layer for some frames.

        Args:
            x: (B, N, width).
            heard: (B or 1, N, width) what `hear` gave for these frames.
            bias: (heads, N, M) added to the scores of self-attention.
            past: (B, heads, M - N, width / heads) keys and values of the frames before; None: there are none.

        Returns:
            (B, N, width); keys and values of all M frames.
        """
        attention = self.self_attn
        projected = F.linear(x, attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=-1)
        query, key, value = (one.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2) for one in projected)
        if past is not None:
            key, value = torch.cat([past[0], key], dim=2), torch.cat([past[1], value], dim=2)
        dropout = attention.dropout if self.training else 0.0
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(x.dtype), dropout_p=dropout)
        x = self.norm1(x + self.dropout1(attention.out_proj(seen.transpose(1, 2).flatten(2))))
        x = self.norm2(x + heard)
        changed = self.linear2(self.dropout(self.activation(self.linear1(x))))
        return self.norm3(x + self.dropout3(changed)), (key, value)


class SpeechDecoder(nn.Module):
    """Speech encoder, the decoder, and what goes into it; models add their styles and their output.

    Args:
        encoder: its convolutional part stays as it is in training.
        vertices: of the face.
        width: of the decoder; heads, feed_forward, layers: its other sizes. All layers start from the same weights.
        period: in frames, of the position.
        dropout: of the decoder and its inputs, in training.
    """

    def __init__(
        self,
        encoder: Wav2Vec2Model,
        vertices: int,
        width: int,
        heads: int,
        feed_forward: int,
        layers: int,
        period: int,
        dropout: float,
    ):
        super().__init__()
        if width % heads:
            raise ValueError(f"the decoder's width of {width} cannot be divided into {heads} heads")
        self.heads, self.period = heads, period
        encoder.freeze_feature_encoder()
        self.audio_encoder = encoder
        self.audio_feature_map = nn.Linear(encoder.config.hidden_size, width)
        self.vertice_map = nn.Linear(3 * vertices, width)
        self.PPE = PeriodicEncoding(width, period, dropout)
        self.transformer_decoder = nn.TransformerDecoder(
            DecoderLayer(width, heads, feed_forward, dropout, batch_first=True), layers
        )

    @property
    def layers(self) -> list[DecoderLayer]:
        return cast(list[DecoderLayer], list(self.transformer_decoder.layers))

    @shaped
    def listen(
        self, audio: Float[Tensor, "B T"] | Float[Tensor, "B N C"], frames: int | None = None
    ) -> Float[Tensor, "B N width"]:
        """What the decoder is told of the speech.

        Args:
            audio: (B, T) at 16 kHz, each of zero mean and unit variance; or (B, N, C), what the encoder's
                convolutions made of it, see `said.speech.convolve`: they do not learn, and training needs them once.
            frames: to stretch the speech to, as in training; None: what `motion_frames` says.

        Returns:
            (B, frames, width).

        Raises:
            ValueError: the audio is too short for a frame.
        """
        if audio.ndim == 3:
            return self.audio_feature_map(contextualise(self.audio_encoder, audio))
        config = self.audio_encoder.config
        if frames is None:
            frames = motion_frames(audio.shape[1], config)
        if frames < 1:
            raise ValueError(f"the audio is too short: {audio.shape[1]} samples at 16 kHz give no frame of motion")
        return self.audio_feature_map(encode(self.audio_encoder, audio, frames))

    @shaped
    def decode(
        self, inputs: Float[Tensor, "B N width"], memory: Float[Tensor, "B N width"]
    ) -> Float[Tensor, "B N width"]:
        """All frames at once, from inputs (B, N, width) and speech (B, N, width) that are known: (B, N, width)."""
        x, bias = self.PPE(inputs), causal_bias(self.heads, inputs.shape[1], self.period, inputs.device)
        for layer in self.layers:
            x, _ = layer(x, layer.hear(memory), bias)
        return x

    @shaped
    def taught_inputs(
        self, offsets: Float[Tensor, "B N V3"], style: Float[Tensor, "B width"]
    ) -> Float[Tensor, "B N width"]:
        """The decoder's inputs where the truth is fed back: (B, N, 3V) offsets, (B, width) -> (B, N, width).

        The first is mapped from no motion; in generation it is the style alone, without the map's bias.
        """
        return self.vertice_map(F.pad(offsets, (0, 0, 1, -1))) + style[:, None]

    def read_audio(self, audio: ArrayLike | Tensor) -> Tensor:
        """One clip's waveform (T,) as a batch (1, T).

        Raises:
            ValueError: it is something else, or too short for the speech encoder.
        """
        audio, reach = self._tensor(audio), receptive_field(self.audio_encoder.config)
        if audio.ndim != 1 or len(audio) < reach:
            raise ValueError(f"expected a waveform (T,) of at least {reach} samples, got {tuple(audio.shape)}")
        return audio[None]

    def read_template(self, template: ArrayLike | Tensor) -> Tensor:
        """A template (V, 3).

        Raises:
            ValueError: it has another shape.
        """
        template, vertices = self._tensor(template), self.vertice_map.in_features // 3
        if template.shape != (vertices, 3):
            raise ValueError(f"expected a template ({vertices}, 3), as the model has it, got {tuple(template.shape)}")
        return template

    def read_styles(self, styles: ArrayLike | Tensor | Sequence[int], table: Tensor) -> Tensor:
        """Styles as vectors (S, width).

        Args:
            styles: (S,) whole numbers; or (S, K) real weights of the K styles, which mixes them.
            table: (K, width) the styles' vectors.

        Raises:
            ValueError: they are something else, or name a style that the model does not have.
        """
        styles = torch.as_tensor(styles if isinstance(styles, Tensor) else np.asarray(styles), device=table.device)
        if styles.ndim == 2 and styles.is_floating_point() and styles.shape[1] == len(table):
            return styles.to(table.dtype) @ table
        whole = not (styles.is_floating_point() or styles.is_complex() or styles.dtype == torch.bool)
        if styles.ndim != 1 or len(styles) == 0 or not whole:
            raise ValueError(
                f"expected styles (S,) as whole numbers, or weights (S, {len(table)}), got {tuple(styles.shape)} "
                f"{str(styles.dtype).removeprefix('torch.')}"
            )
        if styles.min() < 0 or styles.max() >= len(table):
            raise ValueError(f"styles lie in [0, {len(table)}), got {styles.tolist()}")
        return table[styles.long()]

    def _tensor(self, values: ArrayLike | Tensor) -> Tensor:
        return torch.as_tensor(values).to(self.vertice_map.weight)


class Generation:
    """Frame after frame from one clip's speech, for a batch of styles: keys and values of earlier frames are kept.

    They never change, as no frame sees what comes after it.

    Args:
        memory: (B or 1, N, width) what `SpeechDecoder.listen` gave.
    """

    def __init__(self, decoder: SpeechDecoder, memory: Tensor):
        self.decoder = decoder
        self.frame = 0
        self.layers = decoder.layers
        self.heard = [layer.hear(memory) for layer in self.layers]
        self.past: list[KeysAndValues | None] = [None] * len(self.layers)
        back = torch.arange(memory.shape[1] - 1, -1, -1, device=memory.device)
        self.bias = distance_bias(decoder.heads, back, decoder.period)[:, None]  # of the last frame to all others

    def step(self, x: Tensor) -> Tensor:
        """The next frame of the output, (B, width), from its input (B, width)."""
        x, frame = self.decoder.PPE(x[:, None], self.frame), self.frame
        # A copy, because attention on a GPU reads a bias 16 bytes at a time, and a part of a row may begin anywhere.
        bias = self.bias[..., self.bias.shape[-1] - 1 - frame :].clone()
        for number, layer in enumerate(self.layers):
            x, self.past[number] = layer(x, self.heard[number][:, frame : frame + 1], bias, self.past[number])
        self.frame += 1
        return x[:, 0]


def decoder_sizes(state: Mapping[str, Tensor], width: int) -> dict[str, int]:
    """Sizes of a published decoder, by the shapes of its tensors.

    Args:
        width: where no tensor tells it.
    """
    told = {"audio_feature_map.bias": 0, "vertice_map.bias": 0, "norm1.bias": 0, "norm2.bias": 0}
    width = read_size(state, told, width)
    return {
        "width": width,
        "feed_forward": read_size(state, {"linear1.weight": 0, "linear1.bias": 0, "linear2.weight": 1}, 2 * width),
        "layers": count_layers(state, "transformer_decoder.layers.", 1),
    }


def whole_vertices(coordinates: int) -> int:
    """How many vertices have so many coordinates.

    Raises:
        ValueError: they are not three each.
    """
    if coordinates % 3:
        raise ValueError(f"vertices have three coordinates each, and vertice_map.weight has {coordinates} in all")
    return coordinates // 3
