"""Samples of a model for whole clips: audio encoded once, repeats in batches, every sample with its own seed."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import Wav2Vec2Model

from said.config import derive_seed
from said.diffusion import sample
from said.model import SAiD
from said.speech import encode_clip


@dataclass(frozen=True)
class Speech:
    """A sentence to be animated.

    Attributes:
        name: decides, with the seed and the number of a repeat, the noise that a sample starts from.
        waveform: (T,) in [-1, 1] at 16 kHz.
        frames: how many to make, 60 per second.
    """

    name: str
    waveform: NDArray[np.float32]
    frames: int


def sample_speech(
    model: SAiD,
    encoder: Wav2Vec2Model,
    speeches: Sequence[Speech],
    settings: dict,
    seed: int,
    *,
    device: str = "cpu",
    report: Callable[[str], None] = print,
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Sample coefficients for every sentence several times.

    A sample depends on the seed, the sentence's name and the number of the repeat alone, not on what is sampled
    beside it. Two models given the same seed start from the same noise, so that they can be compared.

    Args:
        model: its own encoder is used where it was finetuned.
        encoder: the frozen speech encoder.
        speeches: of any lengths.
        settings: the section `sampling` of config.yaml.
        seed: of the noise.
        report: gets progress, a line at a time.

    Yields:
        name of a sentence, (S, N, 32) float32 samples in [0, 1].
    """
    model = model.to(device).eval()
    encoder = (model.audio_encoder or encoder).to(device).eval()
    guidance = settings["guidance"]
    if settings["guidance_off_at_one"] and guidance <= 1:
        guidance = 0.0
    began = last_report = time.monotonic()
    for number, speech in enumerate(speeches):
        audio = encode_clip(encoder, speech.waveform, speech.frames)
        repeats = []
        for first in range(0, settings["samples"], settings["batch_size"]):
            batch = range(first, min(first + settings["batch_size"], settings["samples"]))
            seeds = [derive_seed(seed, speech.name, repeat) for repeat in batch]
            samples = sample(
                model,
                audio.expand(len(batch), -1, -1),
                steps=settings["steps"],
                guidance=guidance,
                generator=[torch.Generator().manual_seed(one) for one in seeds],
                eta=settings["eta"],
                sampler=settings["sampler"],
            )
            repeats.append(samples.cpu().numpy())
        yield speech.name, np.concatenate(repeats)
        now = time.monotonic()
        if now - last_report > 10 or number + 1 == len(speeches):
            left = (now - began) / (number + 1) * (len(speeches) - number - 1)
            report(f"sampled {number + 1}/{len(speeches)} sentences, {now - began:.0f} s, {left:.0f} s left")
            last_report = now
