"""A study of seven methods' films, tiny, each of a colour of its own."""

import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from said.files import video
from said.files.video import bare
from said.study.form import Part, StudySettings, design
from said.study.key import Key

METHODS = ("ground_truth", "SAiD", "end2end", "voca", "meshtalk", "faceformer", "codetalker")
HEADS = ("ground_truth", "our_heads", "rhythm_only", "no_speech")
SETTINGS = StudySettings(
    "Heads & <b>tails</b>", ["You may stop at any time.", "Nothing else is collected."], "balanced"
)
SEED = 7


@dataclass(frozen=True)
class Study:
    """Two parts with films, what colour each film has, and the key."""

    first: Part
    second: Part
    colours: dict[tuple[int, str, int], int]
    key: Key


def movie(path: Path, grey: int, frames: int = 4, size: int = 32) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = 0.1 * np.sin(np.arange(frames * 16000 // 30) * 0.2)
    pictures = [np.full((size, size, 3), grey, np.uint8)] * frames
    origin = {"dataset": "secret", "scale": "secret", "preset": "paper", "seed": 0, "version": "1"}
    video.write(path, pictures, 30, tone, 16000, origin)
    return path


@functools.cache
def small_study() -> Study:
    colours, parts = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for part, methods, numbers in ((1, METHODS, range(3)), (2, HEADS, range(5))):
            films = {}
            for method in methods:
                films[method] = []
                for number in numbers:
                    colours[part, method, number] = grey = 20 + 5 * len(colours)
                    films[method].append(bare(movie(Path(folder) / f"{part}" / method / f"{number}.mp4", grey)))
            parts.append(Part(films, numbers))
    key, _ = design(*parts, SETTINGS, SEED)
    return Study(*parts, colours, key)
