"""Recordings that cannot be animated: what is left of them instead of an animation, and who reads it."""

from collections.abc import Iterable
from pathlib import Path

from said.animation.inputs import REPORT, Recording
from said.files.text import read_json, write_json
from said.running.atomic import PathLike, atomic_folder


def write_failure(folder: PathLike, recording: Recording, error: Exception) -> None:
    """Write a folder that holds, instead of an animation, a report of why there is none."""
    with atomic_folder(folder) as made:
        write_json(made / REPORT, {"name": recording.name, "file": recording.path.name, "error": str(error)})


def sort_out(folders: Iterable[PathLike]) -> tuple[list[Path], list[str]]:
    """The folders that hold an animation, and a line for each of the others."""
    animations, faults = [], []
    for folder in map(Path, folders):
        error = read_json(folder / REPORT).get("error")
        if error is None:
            animations.append(folder)
        else:
            faults.append(error)
    return animations, faults


def summary(animated: int, recordings: int, folder: PathLike, faults: Iterable[str]) -> str:
    """What is said when all recordings had their turn."""
    faults = list(faults)
    said = f"{animated} of {recordings} recordings animated in {folder}"
    return "\n  ".join([said + (f"; {len(faults)} left out:" if faults else ""), *faults])
