"""The page on which a browser plays what was animated."""

from collections.abc import Sequence
from pathlib import Path

from said.animation.faces import Face
from said.animation.inputs import COMPRESSED_SOUND, REPORT
from said.animation.viewer import Animation, write_page
from said.files.tables import read_coefficients
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
                fps = facts["settings"]["fps"]
                clips.append(Animation(facts["name"], values, fps, face, sound if sound.is_file() else None, take))
    if clips:
        write_page(folder, clips)
