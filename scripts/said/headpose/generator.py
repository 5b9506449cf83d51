"""The pose generator (supplement, Section 1.2): codes of head motion from speech, each block from all blocks before.

Stated: a learnable style embedding, periodic positional encoding, a Transformer decoder of six layers and four heads,
autoregressive over the codes of the pose VQ-VAE. Decided here: FaceFormer's bias against the distant past, speech
within one token, cross-entropy.
"""

import math
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Integer
from torch import Tensor, nn

from said.baselines.positions import causal_bias, distance_bias, periodic_encoding
from said.files.models import load_model, save_model
from said.headpose.features import SemanticInput
from said.headpose.pose_vq import COORDINATES
from said.headpose.rhythm import INPUTS, Fusion, RhythmEncoder, RhythmInput
from said.running.atomic import PathLike
from said.running.shapes import shaped

FORM = "said-pose-generator-1"
KeysAndValues = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class GeneratorConfig:
    """Sizes of a `PoseGenerator`, and which of its paths are on; the defaults are those of the paper's scale.

    Attributes:
        styles: training speakers.
        hearing: width of the speech encoder's features.
        block, tokens, components, codes: as the pose VQ-VAE has them.
        semantic_input: what the speech encoder is given, see `said.headpose.features`.
        rhythm_input, rhythm_channels, rhythm_width: see `RhythmEncoder`.
        fusion_width: of the layers between the encoders' features and the tokens.
        width, heads, feed_forward, layers: of the decoder.
        period: in tokens, of the position and of the bias against the past.
        alignment: tokens before and after its own whose speech a token hears.
        dropout: in training.
        semantic, rhythm, style: whether that path is on; off, it is fed zeros.
        quantised: codes; off, the blocks themselves, their mean given the speech: nothing is drawn or fed back.
    """

    styles: int
    hearing: int = 768
    block: int = 4
    tokens: int = 50
    components: int = 4
    codes: int = 64
    semantic_input: SemanticInput = "speech"
    rhythm_input: RhythmInput = "waveform"
    rhythm_channels: int = 128
    rhythm_width: int = 64
    fusion_width: int = 256
    width: int = 256
    heads: int = 4
    feed_forward: int = 512
    layers: int = 6
    period: int = 25
    alignment: int = 1
    dropout: float = 0.1
    semantic: bool = True
    rhythm: bool = True
    style: bool = True
    quantised: bool = True


class DecoderLayer(nn.TransformerDecoderLayer):
    """A pre-norm layer that keeps keys and values of earlier tokens."""

    def hear(self, memory: Tensor) -> KeysAndValues:
        """Keys and values (B, heads, M, width / heads) of the speech (B, M, width)."""
        attention = self.multihead_attn
        weight, bias = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
        key, value = (self._heads(F.linear(memory, weight[part], bias[part])) for part in (1, 2))
        return key, value

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, x: Tensor, heard: KeysAndValues, bias: Tensor, allowed: Tensor, past: KeysAndValues | None = None
    ) -> tuple[Tensor, KeysAndValues]:
        """The layer for some tokens.

        Args:
            x: (B, N, width).
            heard: (B, heads, M, width / heads) what `hear` gave for the speech.
            bias: (heads, N, P + N) added to the scores of self-attention.
            allowed: (N, M) bool, which speech each token hears.
            past: (B, heads, P, width / heads) keys and values of the tokens before; None: there are none.

        Returns:
            (B, N, width); keys and values of all P + N tokens.
        """
        attention = self.self_attn
        normed = self.norm1(x)
        projected = F.linear(normed, attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=-1)
        query, key, value = (self._heads(one) for one in projected)
        if past is not None:
            key, value = torch.cat([past[0], key], dim=2), torch.cat([past[1], value], dim=2)
        x = x + self.dropout1(attention.out_proj(self._attend(query, key, value, bias.to(x.dtype))))
        attention = self.multihead_attn
        weight, shift = attention.in_proj_weight.chunk(3)[0], attention.in_proj_bias.chunk(3)[0]
        query = self._heads(F.linear(self.norm2(x), weight, shift))
        x = x + self.dropout2(attention.out_proj(self._attend(query, *heard, allowed)))
        changed = self.linear2(self.dropout(self.activation(self.linear1(self.norm3(x)))))
        return x + self.dropout3(changed), (key, value)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.self_attn.num_heads, -1)).transpose(1, 2)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        dropout = self.self_attn.dropout if self.training else 0.0
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
        return seen.transpose(1, 2).flatten(2)


@shaped
def near(first: int, count: int, memory: int, reach: int) -> Bool[Tensor, "{count} {memory}"]:
    """(count, memory) bool: which speech the tokens from number `first` on hear, up to `reach` tokens away."""
    token = torch.arange(first, first + count)[:, None]
    return (token - torch.arange(memory)).abs() <= reach


class PoseGenerator(nn.Module):
    """Speech, a style and the codes so far to the distribution of the next codes.

    Args:
        config: its sizes.
    """

    position: Tensor
    semantic_mean: Tensor
    semantic_deviation: Tensor
    rhythm_mean: Tensor
    rhythm_deviation: Tensor

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        if config.width % config.heads:
            raise ValueError(f"the decoder's width of {config.width} cannot be divided into {config.heads} heads")
        self.config = config
        self.rhythm = RhythmEncoder(config.rhythm_input, config.rhythm_channels, config.rhythm_width)
        self.semantic_norm = nn.LayerNorm(config.hearing)
        self.fusion = Fusion(config.hearing, config.rhythm_width, config.fusion_width, config.width, config.block)
        # One code more than there are: what stands before the first token.
        self.code = nn.ModuleList(nn.Embedding(config.codes + 1, config.width) for _ in range(config.components))
        self.style = nn.Embedding(config.styles, config.width)
        self.register_buffer("position", periodic_encoding(config.tokens, config.width, config.period), False)
        self.dropout = nn.Dropout(config.dropout)
        layer = DecoderLayer(
            config.width,
            config.heads,
            config.feed_forward,
            config.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.decoder = nn.TransformerDecoder(layer, config.layers)
        self.norm = nn.LayerNorm(config.width)
        outputs = config.components * config.codes if config.quantised else COORDINATES * config.block
        self.output = nn.Linear(config.width, outputs)
        for name, width in (("semantic", config.hearing), ("rhythm", INPUTS[config.rhythm_input])):
            self.register_buffer(f"{name}_mean", torch.zeros(width))
            self.register_buffer(f"{name}_deviation", torch.ones(width))

    @property
    def layers(self) -> list[DecoderLayer]:
        return cast(list[DecoderLayer], list(self.decoder.layers))

    @property
    def begin(self) -> int:
        """The code that stands before the first token."""
        return self.config.codes

    @shaped
    def listen(
        self, semantic: Float[Tensor, "B N hearing"], heard: Float[Tensor, "B T"] | Float[Tensor, "B N bands"]
    ) -> Float[Tensor, "B M width"]:
        """What the decoder is told of the speech: a vector per token.

        Args:
            semantic: (B, N, hearing) features of the speech encoder at 25 frames a second, N whole blocks.
            heard: what the rhythm encoder is given, see `RhythmEncoder`, of N frames.

        Returns:
            (B, N / block, width).
        """
        config = self.config
        frames = (*semantic.shape[:2],)
        if config.semantic:
            meaning = self.semantic_norm((semantic - self.semantic_mean) / self.semantic_deviation)
        else:
            meaning = semantic.new_zeros(*frames, config.hearing)
        if config.rhythm:
            rhythm = self.rhythm((heard - self.rhythm_mean) / self.rhythm_deviation)
        else:
            rhythm = heard.new_zeros(*frames, config.rhythm_width)
        return self.fusion(meaning, rhythm)

    def styles(self, style: Tensor | None, batch: int) -> Tensor:
        """(batch, width) of styles (batch,) int64; None, for a speaker who is not known: the mean of all."""
        table = self.style.weight
        if not self.config.style:
            return table.new_zeros(batch, self.config.width)
        return table.mean(0).expand(batch, -1) if style is None else self.style(style)

    @shaped
    def inputs(
        self, before: Integer[Tensor, "B N components"], style: Float[Tensor, "B width"], start: int = 0
    ) -> Float[Tensor, "B N width"]:
        """The decoder's inputs for the tokens from number `start` on.

        Args:
            before: (B, N, components) int64 the codes of the token before each; `begin` before the first.
            style: (B, width).
        """
        x = self.position[start : start + before.shape[1]] + style[:, None]
        if self.config.quantised:
            for index, table in enumerate(self.code):
                x = x + table(before[..., index])
        return self.dropout(x)

    @shaped
    def forward(
        self,
        before: Integer[Tensor, "B N components"],
        memory: Float[Tensor, "B M width"],
        style: Float[Tensor, "B width"],
    ) -> Float[Tensor, "B N outputs"]:
        """All tokens at once, those before each being known.

        Args:
            before: (B, N, components), see `inputs`; N at most `tokens`.
            memory: (B, M, width) what `listen` gave.
            style: (B, width) what `styles` gave.

        Returns:
            (B, N, components * codes) logits; or, where nothing is quantised, (B, N, 6 block) standardised blocks.
        """
        config, count = self.config, before.shape[1]
        x = self.inputs(before, style)
        bias = causal_bias(config.heads, count, config.period, x.device)
        allowed = near(0, count, memory.shape[1], config.alignment).to(x.device)
        for layer in self.layers:
            x, _ = layer(x, layer.hear(memory), bias, allowed)
        return self.output(self.norm(x))


class Generation:
    """Token after token: keys and values of earlier tokens are kept, which never change, as no token sees a later one.

    Args:
        memory: (B, M, width) what `PoseGenerator.listen` gave.
        style: (B, width) what `PoseGenerator.styles` gave.
    """

    def __init__(self, model: PoseGenerator, memory: Tensor, style: Tensor):
        self.model, self.style, self.token = model, style, 0
        self.heard = [layer.hear(memory) for layer in model.layers]
        self.past: list[KeysAndValues | None] = [None] * len(model.layers)
        self.memory = memory.shape[1]

    def step(self, before: Tensor) -> Tensor:
        """The output (B, N, outputs) of the next N tokens, from the codes (B, N, components) before each of them."""
        model, config, start, count = self.model, self.model.config, self.token, before.shape[1]
        x = model.inputs(before, self.style, start)
        distance = torch.arange(start, start + count)[:, None] - torch.arange(start + count)
        bias = distance_bias(config.heads, distance.clamp(min=0), config.period)
        bias = bias.masked_fill(distance < 0, -math.inf).to(x.device)
        allowed = near(start, count, self.memory, config.alignment).to(x.device)
        for number, layer in enumerate(model.layers):
            x, self.past[number] = layer(x, self.heard[number], bias, allowed, self.past[number])
        self.token += count
        return model.output(model.norm(x))


@shaped
def taught(model: PoseGenerator, codes: Integer[Tensor, "B N components"]) -> Integer[Tensor, "B N components"]:
    """The codes of the token before each, where the true ones (B, N, components) are fed back."""
    return F.pad(codes, (0, 0, 1, 0), value=model.begin)[:, :-1]


@shaped
def generator_loss(
    model: PoseGenerator,
    truth: Integer[Tensor, "B N components"] | Float[Tensor, "B N coordinates"],
    semantic: Float[Tensor, "B F hearing"],
    heard: Float[Tensor, "B T"] | Float[Tensor, "B F bands"],
    styles: Integer[Tensor, " B"],
) -> Float[Tensor, ""]:
    """What the training minimises, the truth being fed back.

    Args:
        truth: (B, N, components) int64 codes; or, where nothing is quantised, (B, N, 6 block) standardised blocks.
        semantic, heard: see `PoseGenerator.listen`.
        styles: (B,) int64 the speakers.

    Returns:
        the cross-entropy in nats per code; or the mean absolute error of the blocks.
    """
    config, (batch, count) = model.config, truth.shape[:2]
    if config.quantised:
        before = taught(model, truth)
    else:
        before = torch.zeros(batch, count, config.components, dtype=torch.int64, device=truth.device)
    outputs = model(before, model.listen(semantic, heard), model.styles(styles, batch))
    if not config.quantised:
        return F.l1_loss(outputs, truth)
    return F.cross_entropy(outputs.unflatten(-1, (config.components, -1)).flatten(0, 2), truth.flatten())


def save(path: PathLike, model: PoseGenerator, speakers: list[str]) -> None:
    """Write a model as safetensors, with the names of its styles."""
    save_model(path, model, FORM, {"config": vars(model.config), "speakers": speakers})


def load(path: PathLike) -> tuple[PoseGenerator, list[str]]:
    """Read what `save` wrote: the model, in evaluation mode, and the names of its styles.

    Errors as `said.files.models.load_model`.
    """
    speakers: list[str] = []

    def build(facts: dict) -> PoseGenerator:
        speakers.extend(facts["speakers"])
        return PoseGenerator(GeneratorConfig(**facts["config"]))

    return load_model(path, FORM, "a pose generator", build), speakers
