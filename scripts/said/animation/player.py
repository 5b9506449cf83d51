"""The page on which a browser plays what was animated."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from said.animation.faces import Face
from said.animation.head_motion import ANGLES
from said.animation.inputs import COMPRESSED_SOUND, HEAD, REPORT
from said.animation.viewer import Animation, write_page
from said.files.tables import read_coefficients, read_columns
from said.files.text import read_json
from said.running.atomic import PathLike


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
                values = read_coefficients(path)
                turns = made / entry["folder"] / HEAD
                head = np.stack(list(read_columns(turns, ANGLES).values()), axis=1) if turns.is_file() else None
                heard, fps = sound if sound.is_file() else None, facts["settings"]["fps"]
                clips.append(Animation(facts["name"], values, fps, face, heard, take, head))
    if clips:
        write_page(folder, clips)
