"""The denoiser (Section 4.2, Figure 3): LDM's conditional UNet in one dimension, with one resolution throughout."""

import math

import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn

from said.attention import (
    SCHEDULES,
    Alignment,
    AudioTransformer,
    alignment,
    alignment_mask,
    scheduled_bias,
    zero_initialised,
)
from said.running.shapes import shaped

HEAD_WIDTH = 32
_GROUPS = 32
"""Of every normalisation of the published model, whose 192 channels are six a group."""


class Denoiser(nn.Module):
    """Predicts the noise in blendshape coefficients, or v, given the audio.

    Args:
        channels: number of blendshapes.
        width: channels of the feature maps, a multiple of 32.
        audio_width: channels of the audio features.
        dropout: in the residual blocks.
        alignment_bias: half width of the alignment bias in audio frames; None for attention to everything.
        alignment_schedule: constant, linear or geometric, see `said.attention.scheduled_bias`.
        diffusion_steps: of the schedule.
        channels_per_group: of the normalisations, see `groups`.

    Raises:
        ValueError: a setting is out of range, or two contradict each other.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        audio_width: int,
        dropout: float = 0.0,
        alignment_bias: int | None = 1,
        alignment_schedule: str = "constant",
        diffusion_steps: int = 1000,
        channels_per_group: int = 6,
    ):
        super().__init__()
        if alignment_bias is not None and alignment_bias < 0:
            raise ValueError(f"alignment_bias must be at least 0 or null, not {alignment_bias}")
        if alignment_schedule not in SCHEDULES:
            raise ValueError(f"alignment_schedule must be one of {', '.join(SCHEDULES)}, not {alignment_schedule!r}")
        if alignment_bias is None and alignment_schedule != "constant":
            raise ValueError(f"alignment_schedule {alignment_schedule} needs an alignment_bias to end at, not null")
        self.alignment_bias = alignment_bias
        self.alignment_schedule = alignment_schedule
        self.last_timestep = diffusion_steps - 1
        self.model = UNet(channels, width, audio_width, dropout, groups(width, channels_per_group))

    @shaped
    def forward(
        self, noisy: Float[Tensor, "B N C"], timesteps: Integer[Tensor, " B"], audio: Float[Tensor, "B M D"]
    ) -> Float[Tensor, "B N C"]:
        """Prediction for a batch.

        Args:
            noisy: (B, N, C) noisy coefficients, C = 32 in the paper.
            timesteps: (B,) int in [0, diffusion steps).
            audio: (B, M, D) audio features; M = N where there is one for each frame.

        Returns:
            (B, N, C).
        """
        allowed = self.alignment(noisy.shape[1], audio.shape[1], timesteps)
        return self.model(noisy.transpose(1, 2), timesteps, audio, allowed).transpose(1, 2)

    def alignment(self, frames: int, audio_frames: int, timesteps: Tensor) -> Alignment:
        """What cross-attention may see, for each item of the batch where that depends on the timesteps (B,)."""
        if self.alignment_bias is None or self.alignment_schedule == "constant":
            return alignment(frames, audio_frames, self.alignment_bias, timesteps.device)
        noise_share = timesteps / max(self.last_timestep, 1)
        bias = scheduled_bias(self.alignment_bias, audio_frames, noise_share, self.alignment_schedule)
        return alignment_mask(frames, audio_frames, bias, timesteps.device)[:, None]  # for all heads


class UNet(nn.Module):
    """An encoder, a middle and a decoder block with skip connections, on feature maps (B, C, N)."""

    def __init__(self, channels: int, width: int, audio_width: int, dropout: float, groups: int):
        super().__init__()
        if width % HEAD_WIDTH:
            raise ValueError(f"width must be a multiple of {HEAD_WIDTH}, not {width}")
        heads = width // HEAD_WIDTH
        time_width = 4 * width
        self.width = width

        def residual(in_width: int) -> ResidualBlock:
            return ResidualBlock(in_width, width, time_width, dropout, groups)

        def transformer() -> AudioTransformer:
            return AudioTransformer(width, audio_width, heads, groups)

        self.time_embed = nn.Sequential(nn.Linear(width, time_width), nn.SiLU(), nn.Linear(time_width, time_width))
        self.input_blocks = nn.ModuleList(
            [
                Stage([nn.Conv1d(channels, width, 3, padding=1)]),
                Stage([residual(width), transformer()]),
            ]
        )
        self.middle_block = Stage([residual(width), transformer(), residual(width)])
        self.output_blocks = nn.ModuleList([Stage([residual(2 * width), transformer()]) for _ in self.input_blocks])
        self.out = nn.Sequential(
            nn.GroupNorm(groups, width), nn.SiLU(), zero_initialised(nn.Conv1d(width, channels, 3, padding=1))
        )

    def forward(self, x: Tensor, timesteps: Tensor, audio: Tensor, allowed: Alignment) -> Tensor:
        time = self.time_embed(timestep_embedding(timesteps, self.width).to(x.dtype))  # (B, 4 C)
        skips = []
        for block in self.input_blocks:
            x = block(x, time, audio, allowed)  # (B, C, N)
            skips.append(x)
        x = self.middle_block(x, time, audio, allowed)
        for block in self.output_blocks:
            x = block(torch.cat([x, skips.pop()], dim=1), time, audio, allowed)  # (B, 2 C, N) -> (B, C, N)
        return self.out(x)


class Stage(nn.ModuleList):
    """Layers in sequence, each of which gets what it needs besides the feature map."""

    def forward(self, x: Tensor, time: Tensor, audio: Tensor, allowed: Alignment) -> Tensor:
        for layer in self:
            if isinstance(layer, ResidualBlock):
                x = layer(x, time)
            elif isinstance(layer, AudioTransformer):
                x = layer(x, audio, allowed)
            else:
                x = layer(x)
        return x


class ResidualBlock(nn.Module):
    """Two convolutions beside a skip connection, with the time embedding in between; at first they add nothing."""

    def __init__(self, in_width: int, width: int, time_width: int, dropout: float, groups: int):
        super().__init__()
        self.in_layers = nn.Sequential(
            nn.GroupNorm(groups, in_width), nn.SiLU(), nn.Conv1d(in_width, width, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(time_width, width))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(groups, width),
            nn.SiLU(),
            nn.Dropout(dropout),
            zero_initialised(nn.Conv1d(width, width, 3, padding=1)),
        )
        self.skip_connection = nn.Identity() if in_width == width else nn.Conv1d(in_width, width, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """(B, C_in, N), (B, 4 C) -> (B, C, N)."""
        hidden = self.in_layers(x) + self.emb_layers(time)[:, :, None]
        return self.skip_connection(x) + self.out_layers(hidden)


def groups(width: int, channels_per_group: int) -> int:
    """Number of groups in which feature maps are normalised over their frames: 32, or fewer where they are narrow.

    A normalisation takes the mean and the scale of each group's channels over the clip from the network, so that what
    is constant over the clip is known only by how the channels of a group differ.

    Args:
        width: channels.
        channels_per_group: at least so many, as far as there are; the published model has 192 / 32 = 6.
    """
    return max(
        count
        for count in range(1, _GROUPS + 1)
        if width % count == 0 and width >= count * min(channels_per_group, width)
    )


def timestep_embedding(timesteps: Tensor, width: int) -> Tensor:
    """Sinusoids of the timesteps, cosines first: (B,) -> (B, width) float32."""
    half = width // 2
    exponents = torch.arange(half, dtype=torch.float32, device=timesteps.device) / half
    angles = timesteps[:, None].float() * torch.exp(-math.log(10000) * exponents)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
