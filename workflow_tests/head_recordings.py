"""Recordings with tracked head poses in the layout that `said.headpose.voxceleb` reads, as of VoxCeleb2."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from said.files.arrays import write_arrays
from said.files.audio import write_audio
from said.headpose.rotations import from_angles


def turning(rate: float, seconds: float) -> NDArray[np.float64]:
    """(N, 3) radians of a head that turns slowly about all its axes."""
    time = (np.arange(round(rate * seconds)) + 0.5) / rate
    return from_angles(np.stack([8 * np.sin(time), 20 * np.sin(0.5 * time), 3 * np.cos(time)], axis=1))


def write_recording(folder: Path, name: str, seconds: float, seed: int = 0) -> None:
    """<name>.npz with 25 poses a second, and <name>.wav, noise whose loudness comes and goes."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    write_arrays(folder / f"{name}.npz", {"pose": turning(25, seconds), "fps": np.array(25)})
    time = np.arange(round(seconds * 16000)) / 16000
    noise = np.random.default_rng(seed).normal(size=len(time)).clip(-5, 5)
    write_audio(folder / f"{name}.wav", 0.05 * noise * (1.2 + np.sin(2 * np.pi * 2 * time)), 16000)
