"""Classifier-free guidance (Eq. 9) over many steps on the same speech, without repeating what stays the same.

The layers are the model's own, and the result is the same up to rounding: keys and values of the audio are projected
once and not at every step; with the null condition all keys are equal, so that cross-attention is a constant; and the
conditional and the unconditional branch share all layers before the first cross-attention.
"""

from collections.abc import Iterable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from said.attention import AudioTransformer, CrossAttention, alignment_bounds
from said.denoiser import timestep_embedding
from said.model import SAiD


class GuidedDenoiser:
    """Predicts eps_c + gamma (eps_c - eps_null) at the steps of a sampler.

    Args:
        model: in evaluation mode.
        audio: (B, N, D) features of the speech encoder, one vector for each frame.
        timesteps: (S,) int, of the sampler's steps.
        guidance: gamma of Eq. 9; 0 means no guidance.
    """

    def __init__(self, model: SAiD, audio: Tensor, timesteps: Tensor, guidance: float):
        self.unet = model.denoiser.model
        self.guidance = guidance
        self.time = self.unet.time_embed(timestep_embedding(timesteps, self.unet.width).to(audio.dtype))  # (S, 4 C)
        bias = model.denoiser.alignment_bias
        band = None if bias is None else _Band(audio.shape[1], bias, audio.device)
        null = None if guidance == 0 else model.null_cond_emb[0, 0]
        self.cross_attention = {
            layer: _CachedCrossAttention(layer.block.attn2, audio, null, band)
            for layer in self.unet.modules()
            if isinstance(layer, AudioTransformer)
        }

    def __call__(self, noisy: Tensor, step: int) -> Tensor:
        """The prediction (B, N, 32) for noisy coefficients (B, N, 32) at a step, by its number from 0."""
        unet, time = self.unet, self.time[step : step + 1]
        (first,), (residual, transformer) = _layers(unet.input_blocks)
        start = first(noisy.transpose(1, 2))  # (B, C, N), the same with and without audio
        x = shared = self._attend(transformer, residual(start, time))  # from here (2 B, C, N): conditional first
        ((residual, transformer, last),) = _layers([unet.middle_block])
        x = last(self._attend(transformer, residual(x, time)), time)
        start = _for_both(start, x)
        for (residual, transformer), skip in zip(_layers(unet.output_blocks), (shared, start), strict=True):
            x = self._attend(transformer, residual(torch.cat([x, skip], dim=1), time))
        predicted = unet.out(x).transpose(1, 2)
        if self.guidance == 0:
            return predicted
        conditional, unconditional = predicted.chunk(2)
        return conditional + self.guidance * (conditional - unconditional)

    def _attend(self, layer: AudioTransformer, x: Tensor) -> Tensor:
        """What `AudioTransformer.forward` gives; the batch is doubled at the layer where the branches part."""
        block, cross_attention = layer.block, self.cross_attention[layer]
        hidden = layer.norm(x).transpose(1, 2).contiguous()
        normalised = block.norm1(hidden)
        hidden = hidden + block.attn1(normalised, normalised)
        conditional, *unconditional = hidden.split(cross_attention.items)
        attended = [conditional + cross_attention(block.norm2(conditional))]
        if cross_attention.null_output is not None:
            attended.append((unconditional[0] if unconditional else conditional) + cross_attention.null_output)
        hidden = torch.cat(attended)
        hidden = hidden + block.ff(block.norm3(hidden))
        return _for_both(x, hidden) + layer.proj_out(hidden.transpose(1, 2))


def _layers(stages: Iterable[nn.Module]) -> list[list[Any]]:
    """The layers of each stage. Their types are those in `UNet`, which a ModuleList does not state."""
    return [list(cast(nn.ModuleList, stage)) for stage in stages]


def _for_both(x: Tensor, branches: Tensor) -> Tensor:
    """What both branches share, repeated where `branches` holds both."""
    return x if len(x) == len(branches) else torch.cat([x, x])


class _Band:
    """The audio frames that each frame attends to, which are consecutive: (N, W) indices, and the bias to add."""

    def __init__(self, frames: int, bias: int, device: torch.device):
        first, last = (
            bound.clamp(0, frames).long()[:, None] for bound in alignment_bounds(frames, frames, bias, device)
        )
        index = first + torch.arange(int((last - first).max()), device=device)
        self.index = index.clamp(max=frames - 1)
        self.bias = torch.zeros(index.shape, device=device).masked_fill(index >= last, float("-inf"))[..., None]


class _CachedCrossAttention:
    """Cross-attention to audio (B, N, D) that stays the same: its keys and values are projected once."""

    def __init__(self, layer: CrossAttention, audio: Tensor, null: Tensor | None, band: _Band | None):
        self.layer, self.band, self.items = layer, band, len(audio)
        key, value = (projection(audio).unflatten(-1, (layer.heads, -1)) for projection in (layer.to_k, layer.to_v))
        if band is None:
            self.key, self.value = key.transpose(1, 2), value.transpose(1, 2)  # (B, heads, N, 32)
        else:
            self.key = key[:, band.index] / key.shape[-1] ** 0.5  # (B, N, W, heads, 32)
            self.value = value[:, band.index]
        self.null_output = None if null is None else layer.to_out(layer.to_v(null))  # (C,)

    def __call__(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        query = self.layer.to_q(x).unflatten(-1, (self.layer.heads, -1))  # (B, N, heads, 32)
        if self.band is None:
            out = F.scaled_dot_product_attention(query.transpose(1, 2), self.key, self.value).transpose(1, 2)
        else:
            scores = (query[:, :, None] * self.key).sum(-1) + self.band.bias  # (B, N, W, heads)
            out = (scores.softmax(2)[..., None] * self.value).sum(2)
        return self.layer.to_out(out.flatten(2))
