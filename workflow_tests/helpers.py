"""What tests of several modules begin with: small models, clips, recordings."""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from transformers import Wav2Vec2Model

from said.diffusion import alphas_cumprod
from said.model import ModelConfig, SAiD
from said.sampling import SamplingSettings, Speech
from said.training.run import Run
from said.training.said import train_said
from said.training.stand_in import StandInSettings, build_stand_in
from said.training.windows import Clip, SaidSettings
from said.waveforms import SAMPLE_RATE

# Models

ENCODER = StandInSettings(width=32, layers=1, heads=2, feed_forward=32, channels=16)
"""Of a speech encoder that takes no time to make."""


def small_encoder() -> Wav2Vec2Model:
    torch.manual_seed(0)
    return build_stand_in(ENCODER).eval()


def small(**changes) -> SAiD:
    """A narrow model whose zero-initialised layers are filled, so that it does something."""
    torch.manual_seed(0)
    model = SAiD(ModelConfig(**{"width": 32, "audio_width": 32, "dropout": 0.0, **changes}))
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    """Whether two models have equal weights."""
    one, other = first.state_dict(), second.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


class Oracle(torch.nn.Module):
    """Predicts exactly, knowing the clean values in the diffusion's space."""

    def __init__(self, model, clean):
        super().__init__()
        self.alphas, self.clean, self.prediction = alphas_cumprod(model.config), clean, model.config.prediction

    def forward(self, noisy, timesteps, audio):
        alpha = self.alphas[timesteps][:, None, None]
        noise = (noisy - alpha.sqrt() * self.clean) / (1 - alpha).sqrt()
        if self.prediction == "x0":
            return self.clean.expand(noisy.shape)
        return noise if self.prediction == "epsilon" else alpha.sqrt() * noise - (1 - alpha).sqrt() * self.clean


# A training

TRAINING = SaidSettings(
    width=32,
    channels_per_group=1,  # learns more in so few steps
    encoder_learning_rate=0.0001,
    prediction="v",
    coefficient_scale="std",
    loss_reduction="mean",
    epochs=4,
    warmup_epochs=1,
    batch_size=4,
    learning_rate=0.003,
    schedule="cosine",
    gradient_clip=1.0,
    ema_decay=0.9,
    window=60,
    shift_seconds=1 / 60,
    validate_every=1,
    preview_every=0,
)


def clip(number: int, frames: int = 90) -> Clip:
    """Noise that swells and fades, and coefficients that do so with it."""
    rng = np.random.default_rng(number)
    loudness = 0.5 + 0.5 * np.sin(2 * np.pi * np.arange(frames) / 60 * 2 + rng.uniform(0, 6))
    coefficients = (loudness[:, None] * np.linspace(0.05, 0.5, 32)).astype(np.float32)
    waveform = np.interp(np.arange(frames * 16000 // 60) * 60 / 16000, np.arange(frames), loudness)
    waveform = waveform * rng.normal(size=len(waveform)) * 0.3
    return Clip(f"clip{number}", coefficients, waveform.astype(np.float32))


CLIPS = [clip(n, 70 + 5 * n) for n in range(6)]
HELD_OUT = [clip(n) for n in (100, 101)]
STD = np.concatenate([one.coefficients for one in CLIPS]).std(0)


def train(speech_encoder, seed=0, report=lambda _: None, run=None, cache_bytes=0, **changes):
    """Train with some settings changed; `run` holds fields of `Run`."""
    settings, run = replace(TRAINING, **changes), Run("said", report=report, **(run or {}))
    return train_said(CLIPS, HELD_OUT, speech_encoder, settings, seed, std=STD, run=run, cache_bytes=cache_bytes)


# A sampling

SAMPLING = SamplingSettings(steps=6, samples=3, memory_gb=1.0)


def speeches(*frames: int) -> list[Speech]:
    rng = np.random.default_rng(0)
    return [
        Speech(f"clip{n}", rng.normal(size=length * 16000 // 60).astype(np.float32) * 0.1, length)
        for n, length in enumerate(frames)
    ]


# Animations


def babble(seconds: float) -> np.ndarray:
    """Noise whose loudness changes ten times a second, at 16 kHz."""
    rng = np.random.default_rng(0)
    count = int(seconds * SAMPLE_RATE)
    loud = np.repeat(rng.uniform(0, 1, count // 1600 + 1), 1600)[:count]
    return 0.1 * loud * rng.standard_normal(count) + 0.01


class Samples:
    """A waveform of which parts are read; beyond its ends it is silent."""

    def __init__(self, values: np.ndarray):
        self.values, self.samples = values.astype(np.float32), len(values)

    def read(self, begin: int, end: int) -> np.ndarray:
        part = self.values[begin:end]
        return np.pad(part, (0, end - begin - len(part)))


def read_packet(packet: bytes) -> tuple[str, int, float, tuple[int, int], tuple[float, ...]]:
    """A packet as programs that listen to Live Link Face read it: name, frame, part of a frame, rate, 61 values."""
    assert struct.unpack("<i", packet[:4]) == (6,)
    identifier = packet[4:41].decode()
    assert identifier[0] == "$" and len(identifier) == 37
    (length,) = struct.unpack("!i", packet[41:45])
    name, rest = packet[45 : 45 + length].decode(), packet[45 + length :]
    frame, part, rate, denominator, count = struct.unpack("!if2ib", rest[:17])
    assert count == 61 and len(rest) == 17 + 4 * 61
    return name, frame, part, (rate, denominator), struct.unpack("!61f", rest[17:])


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path from there."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
