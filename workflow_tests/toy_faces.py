"""Small models of facial motion, and faces whose jaw opens as far as one number of their speech says."""

import numpy as np
import torch

from said.headpose.dual_path import DualPath
from said.headpose.facial_vq import FacialVQ
from said.headpose.spoken_face import SpokenFace

VQ = {"width": 16, "heads": 2, "feed_forward": 24, "layers": 1, "codes": 8, "code_width": 4, "components": 2}
PATHS = {"width": 16, "heads": 4, "feed_forward": 24, "layers": 1, "hidden": 8, "dropout": 0.0}
HEARING = 5
JAW = 3
LIPS = np.diag(np.linspace(0, 5, 32)).astype(np.float32)
"""What coefficients do to the lips, in millimetres."""


def toy_face(name: str, style: int | None, seed: int, frames: int = 40) -> SpokenFace:
    """A clip at 30 frames per second: a jaw that opens and shuts, a smile, and speech that says so among noise."""
    random = np.random.default_rng(seed)
    opening = 0.5 - 0.5 * np.cos(2 * np.pi * random.uniform(2, 3) * np.arange(frames) / 30 + random.uniform(0, 6))
    motion = np.zeros((frames, 32), np.float32)
    motion[:, JAW], motion[:, 9:11] = opening, 0.3
    speech = 0.3 * random.standard_normal((frames, HEARING))
    speech[:, 0] = 4 * opening - 2
    return SpokenFace(name, style, motion, speech.astype(np.float32))


def toy_faces(clips: int = 4) -> tuple[list[SpokenFace], list[SpokenFace]]:
    """Training clips of two speakers, of different lengths, and one of a third to validate with."""
    train = [toy_face(f"s{number % 2}/{number}", number % 2, number, 34 + 3 * number) for number in range(clips)]
    return train, [toy_face("s2/0", None, 100, 37)]


def toy_sequences(count: int = 6) -> dict[str, np.ndarray]:
    """Motion by name, as the VQ-VAE is trained on it."""
    return {f"a_{number}": toy_face("a/0", 0, number, 45 + number).motion for number in range(count)}


def toy_vq(**changes) -> FacialVQ:
    torch.manual_seed(0)
    model = FacialVQ(np.full(32, 0.1), np.full(32, 0.2), LIPS, **{**VQ, **changes})
    for book in model.quantiser.codebooks:
        torch.nn.init.normal_(book.embedding.weight)
    return model.eval()


def toy_paths(**changes) -> DualPath:
    """A network whose paths both move."""
    torch.manual_seed(1)
    model = DualPath(toy_vq(), HEARING, 2, **{**PATHS, **changes})
    torch.nn.init.normal_(model.upper.out.weight, std=0.1)
    return model.eval()
