"""Attention in the denoiser: self-attention over frames, and cross-attention to the audio with the alignment bias."""

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
    """A banded mask (N, M), cut into blocks of consecutive output frames, so that memory is linear in the frames.

    Attributes:
        keys: (blocks, K) int64, the audio frames with which the frames of a block are compared.
        mask: (blocks, 1, block, K) bool, True where attention is allowed.
    """

    keys: Tensor
    mask: Tensor


Alignment = Tensor | Band | None
"""A mask (N, M) or (B, 1, N, M), True where attention is allowed; a band; or None for attention to everything."""


def alignment_bounds(
    frames: int, audio_frames: int, bias: int | Tensor, device: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """The audio frames [first, last) that each output frame attends to (Section 4.2, the alignment bias).

    For equal lengths B(i, j) = 0 where |i - j| <= bias and -inf elsewhere. For unequal lengths an output frame sees
    the audio frames of its own time span, and `bias` more on either side, as in the authors' implementation.

    Args:
        frames, audio_frames: N output frames and M audio frames.
        bias: half width in audio frames; or a tensor (B,) of whole numbers, one for each item of a batch.
        device: of the result.

    Returns:
        two float64 tensors (N,), or (B, N) where `bias` is (B,); they may lie outside the audio.
    """
    ratio = audio_frames / frames
    middle = (torch.arange(frames, device=device, dtype=torch.float64) + 0.5) * ratio
    if isinstance(bias, Tensor):
        bias = bias[:, None]
    # torch.round breaks ties as Python's round does (to even), on which the authors' band depends.
    first, last = torch.round(middle - ratio / 2 - bias), torch.round(middle + ratio / 2 + bias)
    # With half width 0 and fewer audio frames than output frames, a frame might see none: it sees the one it lies in.
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
    """Which audio frames each output frame may attend to; the arguments are those of `alignment_bounds`.

    Returns:
        (frames, audio_frames) bool, True where attention is allowed; (B, frames, audio_frames) where `bias` is (B,);
        None where `bias` is None and attention is allowed everywhere.
    """
    if bias is None:
        return None
    first, last = alignment_bounds(frames, audio_frames, bias, device)
    audio = torch.arange(audio_frames, device=device)
    return (audio >= first[..., None]) & (audio < last[..., None])


def alignment_band(frames: int, audio_frames: int, bias: int, device: torch.device | None = None) -> Band:
    """The same as a band, without what lies outside it."""
    block = max(_BLOCK, 2 * bias)
    blocks = -(-frames // block)
    first, last = (  # (blocks, block); the last frame is repeated to fill the last block, and later cut off
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
    """The mask or the band of a constant bias, whichever is cheaper; computed once for each pair of lengths."""
    if bias is None:
        return None
    compared = max(_BLOCK, 2 * bias) * audio_frames / frames + 2 * bias
    if 2 * compared <= audio_frames:
        return alignment_band(frames, audio_frames, bias, device)
    return alignment_mask(frames, audio_frames, bias, device)


def scheduled_bias(bias: int, audio_frames: int, noise_share: Tensor, schedule: str) -> Tensor:
    """Half width of the alignment bias over diffusion time: global early in sampling, local late.

    The paper names it as future work.

    Args:
        bias: half width at the end of sampling.
        audio_frames: number of audio frames.
        noise_share: (B,) timestep / last timestep, in [0, 1]; at 1, pure noise, every audio frame is seen.
        schedule: linear, where the width falls by the same number of frames at every step, or geometric, where it falls
            by the same factor.

    Returns:
        (B,) float64 whole numbers, from `bias` at 0 to audio_frames - 1 at 1.

    Raises:
        ValueError: the schedule is unknown.
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
        """The attention map (B, heads, N, M) of x (B, N, C) and context (B, M, D); its rows sum to 1."""
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
    """Scaled dot-product attention: query (B, N, H, d), key and value (B, M, H, d) -> (B, N, H, d)."""
    query, key, value = (projected.transpose(1, 2) for projected in (query, key, value))
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2)


def _banded_attention(query: Tensor, key: Tensor, value: Tensor, band: Band) -> Tensor:
    """The same within a band, whose blocks of frames are treated as separate sequences."""
    batch, frames = query.shape[:2]
    blocks, _, block, _ = band.mask.shape
    query = F.pad(query, (0, 0, 0, 0, 0, blocks * block - frames)).unflatten(1, (blocks, block))  # (B, n, block, H, d)
    key, value = key[:, band.keys], value[:, band.keys]  # (B, n, K, H, d)
    query, key, value = (projected.flatten(0, 1) for projected in (query, key, value))
    out = _attention(query, key, value, band.mask.repeat(batch, 1, 1, 1))
    return out.unflatten(0, (batch, blocks)).flatten(1, 2)[:, :frames]


class GEGLU(nn.Module):
    """A linear layer whose output is gated by the GELU of another."""

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
    """Self-attention, cross-attention to the audio and a feed-forward network, each normalised first."""

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
    """A transformer block on feature maps (B, C, N), as a residual that is zero at the start of training."""

    def __init__(self, width: int, audio_width: int, heads: int, groups: int = 32):
        super().__init__()
        self.norm = nn.GroupNorm(groups, width, eps=1e-6)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(width, audio_width, heads)])
        self.proj_out = zero_initialised(nn.Conv1d(width, width, 1))

    @property
    def block(self) -> TransformerBlock:
        """The only block: it is in a list because the published weights are named so."""
        return cast(TransformerBlock, self.transformer_blocks[0])

    def forward(self, x: Tensor, audio: Tensor, allowed: Alignment) -> Tensor:
        """(B, C, N), (B, M, D) -> (B, C, N)."""
        hidden = self.norm(x).transpose(1, 2)
        hidden = self.block(hidden, audio, allowed)
        return x + self.proj_out(hidden.transpose(1, 2))


def zero_initialised(module: nn.Module) -> nn.Module:
    """Set all parameters of a module to zero, so that it changes nothing at the start of training, and return it."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module
