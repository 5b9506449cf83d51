"""The page on which a browser plays what was animated."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from said.animation.faces import Face
from said.animation.head_motion import ANGLES
from said.animation.inputs import COMPRESSED_SOUND, HEAD, REPORT
from said.animation.viewer import Animation, write_page
from said.arkit import SPEECH_BLENDSHAPES
from said.files.tables import read_coefficients, read_columns
from said.files.text import read_json
from said.running.atomic import PathLike

_ROWS = 2**16
"""Rows of a CSV that are read together."""


def write_player(folder: PathLike, animations: Sequence[PathLike], face: Face) -> None:
    """Write index.html, on which a browser plays animations, into a folder.

    Args:
        animations: folders that `Animator.animate` wrote, with coefficients; those without are left out.
        face: that speaks.
    """
    clips = []
    for made in map(Path, animations):
        facts = read_json(made / REPORT)
        sound = made / COMPRESSED_SOUND
        for take, entry in enumerate(facts["takes"]):
            path = made / entry["folder"] / "coefficients.csv"
            if path.is_file():
                values = _read_long(path)
                turns = made / entry["folder"] / HEAD
                head = np.stack(list(read_columns(turns, ANGLES).values()), axis=1) if turns.is_file() else None
                heard, fps = sound if sound.is_file() else None, facts["settings"]["fps"]
                clips.append(Animation(facts["name"], values, fps, face, heard, take, head))
    if clips:
        write_page(folder, clips)


def _read_long(path: Path) -> NDArray[np.floating]:
    """What `read_coefficients` reads, in a fifth of its memory: an hour has 7 million cells."""
    parts = pd.read_csv(path, chunksize=_ROWS)
    try:
        with parts:
            values = np.concatenate([part[list(SPEECH_BLENDSHAPES)].to_numpy(np.float32) for part in parts])
        if np.isfinite(values).all():
            return values
    except (ValueError, KeyError):
        pass
    return read_coefficients(path)  # says which line is wrong, and how
