"""Where a frame is in time, as autoregressive decoders of motion are told (FaceFormer, CodeTalker, head poses).

Formulas instead of tables, so that no length is too long.
"""

import math

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor, nn

from said.running.shapes import shaped


@shaped
def periodic_encoding(frames: int, width: int, period: int) -> Float[Tensor, "{frames} {width}"]:
    """Sines and cosines of the frame's place in its period: (frames, width), of an even width.

    Frame t has sin(w_i (t mod period)) in column 2i and cos in column 2i + 1, w_i = 10000^(-2i / width).
    """
    if width % 2:
        raise ValueError(f"a periodic encoding has an even width, not {width}")
    place = torch.arange(frames, dtype=torch.float64) % period
    frequency = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angle = place[:, None] * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1).float()


class PeriodicEncoding(nn.Module):
    """Adds the periodic encoding, then dropout. The table `pe` has the published length, at least 600 frames."""

    pe: Tensor

    def __init__(self, width: int, period: int, dropout: float = 0.1):
        super().__init__()
        self.period = period
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("pe", periodic_encoding(period * (600 // period + 1), width, period)[None])

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        """(B, N, width), the frames from number `start` on -> (B, N, width)."""
        place = torch.arange(start, start + x.shape[1], device=x.device) % self.period
        return self.dropout(x + self.pe[:, place])


@shaped
def slopes(heads: int) -> Float[Tensor, " {heads}"]:
    """(heads,) how fast each head forgets, as in ALiBi: 2^(-8h / heads) for a power of two.

    Otherwise those of the next smaller power of two, then every other one of the next larger.
    """
    power = 2 ** math.floor(math.log2(heads))
    own = [2 ** (-8 * (head + 1) / power) for head in range(power)]
    between = [2 ** (-8 * (head + 0.5) / power) for head in range(heads - power)]
    return torch.tensor(own + between)


@shaped
def distance_bias(heads: int, distance: Integer[Tensor, "..."], period: int) -> Float[Tensor, "heads ..."]:
    """What is added to the score of a frame that lies `distance` (...) >= 0 frames back: (heads, ...)."""
    steep = slopes(heads).to(distance.device).reshape(-1, *[1] * distance.ndim)
    return -steep * torch.div(distance, period, rounding_mode="floor")


@shaped
def causal_bias(
    heads: int, frames: int, period: int, device: torch.device | None = None
) -> Float[Tensor, "{heads} {frames} {frames}"]:
    """Bias of self-attention (heads, frames, frames): by whole periods into the past, -inf for the future."""
    frame = torch.arange(frames, device=device)
    distance = frame[:, None] - frame
    return distance_bias(heads, distance.clamp(min=0), period).masked_fill(distance < 0, -math.inf)


@shaped
def own_frame_mask(
    frames: int, audio_frames: int, device: torch.device | None = None
) -> Bool[Tensor, "{frames} {audio_frames}"]:
    """(frames, audio_frames) bool, True where a frame may attend to the audio: at its own number alone."""
    return torch.eye(frames, audio_frames, dtype=torch.bool, device=device)
