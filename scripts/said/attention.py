"""Attention of the denoiser: self-attention over frames, cross-attention to the audio under the alignment bias."""

import functools
from dataclasses import dataclass
from typing import cast, overload

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SCHEDULES = ("constant", "linear", "geometric")
_BLOCK = 32
"""Output frames that share a list of audio frames in banded attention."""


@dataclass(frozen=True)
class Band:
    """A band of a mask (N, M) cut into blocks of consecutive output frames: memory is linear in the frames.

    Attributes:
        keys: (blocks, K) int64, the audio frames that a block is compared with.
        mask: (blocks, 1, block, K) bool, True where attention is allowed.
    """

    keys: Tensor
    mask: Tensor


Alignment = Tensor | Band | None
"""A mask (N, M) or (B, 1, N, M), True where attention is allowed; a band; None: attention to everything."""


def alignment_bounds(
    frames: int, audio_frames: int, bias: int | Tensor, device: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """The audio frames [first, last) that each output frame attends to (Section 4.2, the alignment bias).

    For equal lengths B(i, j) = 0 where |i - j| <= bias and -inf elsewhere. For unequal lengths an output frame sees
    the audio frames that lie under it, and `bias` more on either side, as in the authors' implementation.

    Args:
        bias: half width in audio frames; a tensor (B,) of whole numbers: one for each item of a batch.

    Returns:
        two float64 tensors (N,), or (B, N); they may lie outside the audio.
    """
    ratio = audio_frames / frames
    middle = (torch.arange(frames, device=device, dtype=torch.float64) + 0.5) * ratio
    if isinstance(bias, Tensor):
        bias = bias[:, None]
    # torch.round and Python's round break ties alike (to even), which the authors' band depends on.
    first, last = torch.round(middle - ratio / 2 - bias), torch.round(middle + ratio / 2 + bias)
    # At half width 0 and with fewer audio frames than output frames, one may see none: it sees the one it lies in.
    return torch.minimum(first, middle.floor()), torch.maximum(last, middle.floor() + 1)


@overload
def alignment_mask(
    frames: int, audio_frames: int, bias: int | Tensor, device: torch.device | None = None
) -> Tensor: ...
@overload
def alignment_mask(
    frames: int, audio_frames: int, bias: int | Tensor | None, device: torch.device | None = None
) -> Tensor | None: ...
def alignment_mask(
    frames: int, audio_frames: int, bias: int | Tensor | None, device: torch.device | None = None
) -> Tensor | None:
    """Which audio frame each output frame may attend to, as `alignment_bounds` says.

    Returns:
        (frames, audio_frames) bool, True where attention is allowed; (B, frames, audio_frames) where `bias` is (B,);
        None where `bias` is None: everywhere.
    """
    if bias is None:
        return None
    first, last = alignment_bounds(frames, audio_frames, bias, device)
    audio = torch.arange(audio_frames, device=device)
    return (audio >= first[..., None]) & (audio < last[..., None])


def alignment_band(frames: int, audio_frames: int, bias: int, device: torch.device | None = None) -> Band:
    """The same in blocks, without what lies outside the band."""
    block = max(_BLOCK, 2 * bias)
    blocks = -(-frames // block)
    first, last = (  # (blocks, block); frames beyond the end are held and later cut off
        F.pad(bound[None], (0, blocks * block - frames), mode="replicate")[0].unflatten(0, (blocks, block))
        for bound in alignment_bounds(frames, audio_frames, bias, device)
    )
    count = int((last[:, -1] - first[:, 0]).max())
    keys = first[:, :1] + torch.arange(count, device=device)
    inside = (keys >= 0) & (keys < audio_frames)
    mask = (keys[:, None] >= first[:, :, None]) & (keys[:, None] < last[:, :, None]) & inside[:, None]
    return Band(keys.clamp(0, audio_frames - 1).long(), mask[:, None])


@functools.lru_cache(maxsize=512)
def alignment(frames: int, audio_frames: int, bias: int | None, device: torch.device | None = None) -> Alignment:
    """The cheaper of mask and band for a constant bias; made once for each pair of lengths."""
    if bias is None:
        return None
    compared = max(_BLOCK, 2 * bias) * audio_frames / frames + 2 * bias
    if 2 * compared <= audio_frames:
        return alignment_band(frames, audio_frames, bias, device)
    return alignment_mask(frames, audio_frames, bias, device)


def scheduled_bias(bias: int, audio_frames: int, noise_share: Tensor, schedule: str) -> Tensor:
    """Half width of the alignment bias over diffusion time: global early in sampling, local late (future work).

    Args:
        bias: half width at the end of sampling.
        noise_share: (B,) timestep / last timestep, in [0, 1]; 1: pure noise, where every audio frame is seen.
        schedule: linear: the width falls by the same number of frames in every step; geometric: by the same factor.

    Returns:
        (B,) float64 whole numbers, from `bias` at 0 to audio_frames - 1 at 1.
    """
    share, widest = noise_share.double(), audio_frames - 1
    if schedule == "linear":
        return torch.floor(bias + share * max(widest - bias, 0))
    if schedule == "geometric":
        return torch.floor((1 + bias) ** (1 - share) * max(1 + widest, 1 + bias) ** share - 1)
    raise ValueError(f"schedule must be linear or geometric, not {schedule!r}")


class CrossAttention(nn.Module):
    """Multi-head attention with heads 32 wide; self-attention where the context is the input."""

    def __init__(self, width: int, context_width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context_width, width, bias=False)
        self.to_v = nn.Linear(context_width, width, bias=False)
        self.to_out = nn.Sequential(nn.Linear(width, width), nn.Identity())

    def forward(self, x: Tensor, context: Tensor, allowed: Alignment = None) -> Tensor:
        """(B, N, C), (B, M, D) -> (B, N, C)."""
        query, key, value = self._project(x, context)
        if isinstance(allowed, Band):
            out = _banded_attention(query, key, value, allowed)
        else:
            out = _attention(query, key, value, allowed)
        return self.to_out(out.flatten(2))

    def weights(self, x: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        """The attention map (B, heads, N, M); rows sum to 1."""
        query, key, _ = self._project(x, context)
        scores = torch.einsum("bnhd,bmhd->bhnm", query, key) / query.shape[-1] ** 0.5
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        return scores.softmax(-1)

    def _project(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return tuple(
            projected.unflatten(-1, (self.heads, -1))  # (B, N or M, heads, 32)
            for projected in (self.to_q(x), self.to_k(context), self.to_v(context))
        )


def _attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Scaled dot-product attention: (B, N, H, d), (B, M, H, d) twice -> (B, N, H, d)."""
    query, key, value = (projected.transpose(1, 2) for projected in (query, key, value))
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2)


def _banded_attention(query: Tensor, key: Tensor, value: Tensor, band: Band) -> Tensor:
    """The same within a band, each block of frames being a sequence of its own."""
    batch, frames = query.shape[:2]
    blocks, _, block, _ = band.mask.shape
    query = F.pad(query, (0, 0, 0, 0, 0, blocks * block - frames)).unflatten(1, (blocks, block))  # (B, n, block, H, d)
    key, value = key[:, band.keys], value[:, band.keys]  # (B, n, K, H, d)
    query, key, value = (projected.flatten(0, 1) for projected in (query, key, value))
    out = _attention(query, key, value, band.mask.repeat(batch, 1, 1, 1))
    return out.unflatten(0, (batch, blocks)).flatten(1, 2)[:, :frames]


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

    def forward(self, x: Tensor, audio: Tensor, allowed: Alignment) -> Tensor:
        normalised = self.norm1(x)
        x = x + self.attn1(normalised, normalised)
        x = x + self.attn2(self.norm2(x), audio, allowed)
        return x + self.ff(self.norm3(x))


class AudioTransformer(nn.Module):
    """A transformer block on feature maps (B, C, N), as a residual that starts at zero."""

    def __init__(self, width: int, audio_width: int, heads: int):
        super().__init__()
        self.norm = nn.GroupNorm(32, width, eps=1e-6)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(width, audio_width, heads)])
        self.proj_out = zero_initialised(nn.Conv1d(width, width, 1))

    @property
    def block(self) -> TransformerBlock:
        """The one block: the list is there for the published weights' names."""
        return cast(TransformerBlock, self.transformer_blocks[0])

    def forward(self, x: Tensor, audio: Tensor, allowed: Alignment) -> Tensor:
        """(B, C, N), (B, M, D) -> (B, C, N)."""
        hidden = self.norm(x).transpose(1, 2)
        hidden = self.block(hidden, audio, allowed)
        return x + self.proj_out(hidden.transpose(1, 2))


def zero_initialised(module: nn.Module) -> nn.Module:
    """The module with all its parameters zero, so that it changes nothing at the start of training."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module
