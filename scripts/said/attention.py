"""Attention of the denoiser: self-attention over frames, cross-attention to the audio under the alignment bias."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def alignment_mask(frames: int, audio_frames: int, bias: int | None, device=None) -> Tensor | None:
    """Which audio frame each output frame may attend to (Section 4.2, the alignment bias).

    For equal lengths B(i, j) = 0 where |i - j| <= bias and -inf elsewhere. For unequal lengths an output frame sees
    the audio frames that lie under it, and `bias` more on either side, as in the authors' implementation.

    Returns:
        (frames, audio_frames) bool, True where attention is allowed; None where `bias` is None: everywhere.
    """
    if bias is None:
        return None
    if bias < 0:
        raise ValueError(f"alignment_bias must be at least 0 or null, not {bias}")
    ratio = audio_frames / frames
    middle = (torch.arange(frames, device=device, dtype=torch.float64) + 0.5) * ratio
    # torch.round and Python's round break ties alike (to even), which the authors' band depends on.
    first = torch.round(middle - ratio / 2 - bias)[:, None]
    last = torch.round(middle + ratio / 2 + bias)[:, None]
    audio = torch.arange(audio_frames, device=device)
    return (audio >= first) & (audio < last)


class CrossAttention(nn.Module):
    """Multi-head attention with heads 32 wide; self-attention where the context is the input."""

    def __init__(self, width: int, context_width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context_width, width, bias=False)
        self.to_v = nn.Linear(context_width, width, bias=False)
        self.to_out = nn.Sequential(nn.Linear(width, width), nn.Identity())

    def forward(self, x: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, N, C), (B, M, D), (N, M) bool -> (B, N, C)."""
        query, key, value = self._project(x, context)
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)  # (B, heads, N, 32)
        return self.to_out(out.transpose(1, 2).flatten(2))

    def weights(self, x: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        """The attention map (B, heads, N, M); rows sum to 1."""
        query, key, _ = self._project(x, context)
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        return scores.softmax(-1)

    def _project(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return tuple(
            projected.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, N or M, 32)
            for projected in (self.to_q(x), self.to_k(context), self.to_v(context))
        )


class GEGLU(nn.Module):
    """Linear layer whose output is gated by the GELU of a second one."""

    def __init__(self, width: int, out_width: int):
        super().__init__()
        self.proj = nn.Linear(width, 2 * out_width)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.net = nn.Sequential(GEGLU(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class TransformerBlock(nn.Module):
    """Pre-norm: self-attention, cross-attention to the audio, feed-forward."""

    def __init__(self, width: int, audio_width: int, heads: int):
        super().__init__()
        self.attn1 = CrossAttention(width, width, heads)
        self.ff = FeedForward(width)
        self.attn2 = CrossAttention(width, audio_width, heads)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.norm3 = nn.LayerNorm(width)

    def forward(self, x: Tensor, audio: Tensor, mask: Tensor | None) -> Tensor:
        normalised = self.norm1(x)
        x = x + self.attn1(normalised, normalised)
        x = x + self.attn2(self.norm2(x), audio, mask)
        return x + self.ff(self.norm3(x))


class AudioTransformer(nn.Module):
    """A transformer block on feature maps (B, C, N), as a residual that starts at zero."""

    def __init__(self, width: int, audio_width: int, heads: int):
        super().__init__()
        self.norm = nn.GroupNorm(32, width, eps=1e-6)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(width, audio_width, heads)])
        self.proj_out = zero_initialised(nn.Conv1d(width, width, 1))

    def forward(self, x: Tensor, audio: Tensor, mask: Tensor | None) -> Tensor:
        """(B, C, N), (B, M, D), (N, M) bool -> (B, C, N)."""
        hidden = self.norm(x).transpose(1, 2)
        for block in self.transformer_blocks:
            hidden = block(hidden, audio, mask)
        return x + self.proj_out(hidden.transpose(1, 2))


def zero_initialised(module: nn.Module) -> nn.Module:
    """The module with all its parameters zero, so that it changes nothing at the start of training."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module
