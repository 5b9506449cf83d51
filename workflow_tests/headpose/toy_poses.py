"""Small pose models, and clips in which the head nods as loud as the speech is."""

import numpy as np
import torch

from said.headpose.generator import GeneratorConfig, PoseGenerator
from said.headpose.pose_vq import PoseVQ, PoseVQConfig
from said.headpose.rhythm import INPUTS, RhythmInput

VQ = PoseVQConfig(tokens=6, components=2, codes=5, code_width=3, width=16, heads=2, feed_forward=24, layers=2)
GENERATOR = GeneratorConfig(
    styles=3, hearing=10, tokens=6, components=2, codes=5, rhythm_channels=8, rhythm_width=6, fusion_width=12,
    width=16, heads=2, feed_forward=24, layers=2, period=4,
)  # fmt: skip


def toy_vq(**changes) -> PoseVQ:
    torch.manual_seed(0)
    model = PoseVQ(PoseVQConfig(**{**vars(VQ), **changes}))
    for book in model.quantiser.codebooks:
        torch.nn.init.normal_(book.embedding.weight)
    return model.eval()


def toy_generator(**changes) -> PoseGenerator:
    """One whose outputs vary."""
    torch.manual_seed(1)
    model = PoseGenerator(GeneratorConfig(**{**vars(GENERATOR), **changes}))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(2)
    return model.eval()


def toy_speech(
    batch: int, frames: int, seed: int = 0, given: RhythmInput = "waveform"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Semantic features (B, N, 10), and what the rhythm encoder is given."""
    rng = torch.Generator().manual_seed(seed)
    shape = (batch, 640 * frames) if given == "waveform" else (batch, frames, INPUTS[given])
    return torch.randn(batch, frames, 10, generator=rng), 0.3 * torch.randn(shape, generator=rng)


def toy_directions(batch: int, frames: int, seed: int = 0) -> np.ndarray:
    """(B, N, 6) a head that swings, near to upright."""
    rng = np.random.default_rng(seed)
    angle = 0.1 * np.sin(np.arange(frames) * rng.uniform(0.3, 0.8, (batch, 1)) + rng.uniform(0, 6, (batch, 1)))
    zero, one = np.zeros_like(angle), np.ones_like(angle)
    return np.stack([zero, -angle, one, zero, one, angle], axis=-1).astype(np.float32)
