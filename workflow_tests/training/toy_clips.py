"""Clips with a known answer: a face of a few vertices whose mouth opens as far as its speech is loud."""

import json
from pathlib import Path

import numpy as np
import torch
from helpers import ENCODER
from transformers import Wav2Vec2Config

from said.baselines.clips import MeshClip, Shared
from said.corpus import Topology
from said.training.checkpoint import Checkpoint
from said.training.stand_in import build_stand_in

RATE = 16000
VERTICES = 12
JAW = np.linspace(-1, 1, 3 * VERTICES).reshape(VERTICES, 3).astype(np.float32)
"""How each vertex moves when the mouth opens."""


def toy_clip(folder: Path, name: str, style: int | None, seed: int, frames: int = 60) -> MeshClip:
    """A clip of 60 frames per second: a tone that swells and fades, and a mouth that opens with it, 1 cm at most."""
    random = np.random.default_rng(seed)
    times = np.arange(frames) / 60
    opening = 0.5 - 0.5 * np.cos(2 * np.pi * (random.uniform(1.5, 2.5) * times + random.uniform()))
    samples = np.arange(frames * RATE // 60) / RATE
    waveform = np.interp(samples, times, opening) * np.sin(2 * np.pi * 440 * samples)
    waveform = (0.5 * waveform + 0.01 * random.standard_normal(len(samples))).astype(np.float32)
    template = np.random.default_rng(1).uniform(-0.1, 0.1, (VERTICES, 3))
    template = (template + 0.002 * random.standard_normal(template.shape)).astype(np.float32)
    coefficients = np.zeros((frames, 32), np.float32)
    coefficients[:, 17] = opening
    speaker, sentence = name.split("/")
    (folder / speaker).mkdir(parents=True, exist_ok=True)
    meshes = template + 0.01 * opening[:, None, None].astype(np.float32) * JAW
    np.save(folder / speaker / f"{sentence}.npy", meshes.astype(np.float32))
    return MeshClip(name, style, template, coefficients, waveform, RATE, folder / speaker)


def toy_corpus(folder: Path, clips: int = 6, frames: int = 60) -> tuple[list[MeshClip], list[MeshClip]]:
    """Training clips of two speakers, and two of a third to validate with."""
    train = [toy_clip(folder, f"s{n % 2}/{n}", n % 2, n, frames) for n in range(clips)]
    return train, [toy_clip(folder, f"s2/{n}", None, 100 + n, frames) for n in range(2)]


def toy_shared(**changes) -> Shared:
    """A speech encoder that takes no time, with random weights, and a strip of triangles."""
    torch.manual_seed(0)
    faces = np.stack([np.arange(VERTICES - 2) + corner for corner in range(3)], 1)
    topology = Topology(faces, np.arange(68) % VERTICES, np.arange(VERTICES))
    return Shared(build_stand_in(ENCODER).eval(), topology, np.full(32, 0.3))


def quiet_config(text: str) -> Wav2Vec2Config:
    """The authors' speech encoder without anything random in it, as their golden values were made, in any mode."""
    config = json.loads(text)["wav2vec2"]
    silent = dict.fromkeys(
        ("hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout", "layerdrop"), 0.0
    )
    return Wav2Vec2Config(**{**config, **silent, "apply_spec_augment": False})


def authors_clip(folder: Path, golden: dict, target: np.ndarray) -> MeshClip:
    """What FaceFormer's and CodeTalker's authors trained on: (N, 3V) vertices at 30 frames per second."""
    template = golden["template"].reshape(-1, 3).astype(np.float32)
    meshes = target.reshape(len(target), -1, 3)
    (folder / "authors").mkdir()
    np.save(folder / "authors/clip.npy", np.repeat(meshes, 2, axis=0).astype(np.float32))  # written at 60
    coefficients = np.zeros((2 * len(meshes), 32), np.float32)
    waveform = golden["raw_a"].astype(np.float32)
    return MeshClip("authors/clip", int(golden["style_a"]), template, coefficients, waveform, RATE, folder / "authors")


def without_dropout(model: torch.nn.Module) -> torch.nn.Module:
    """The model, whose training mode is now as its evaluation mode."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(module, torch.nn.MultiheadAttention):
            module.dropout = 0.0
    return model


class Cut(Checkpoint):
    """A checkpoint whose training, or a stage of it, is cut off once it has written so many times."""

    def __init__(self, path: Path, writes: int, stage: str = "checkpoint"):
        super().__init__(path, save_every=0.0)
        self.writes, self.stage = writes, stage

    def write(self, state) -> None:
        super().write(state)
        self.writes -= self.stem.name.startswith(self.stage)
        if self.writes == 0:
            raise InterruptedError


def same_bytes(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def silent(_: str) -> None:
    pass
