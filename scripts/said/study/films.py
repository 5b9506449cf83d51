"""The films of a study, from folders of <number>.mp4: stripped of all that could tell the method, and compared."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from said.files.video import Bare, bare
from said.running.atomic import PathLike

_TOLERANCE = 0.25
"""Seconds by which films of one audio may differ in length: an encoder's padding, and a frame at 15 per second."""
MOST_METHODS = 26


def read_films(folders: Mapping[str, PathLike], numbers: Sequence[int], place: str) -> dict[str, list[Bare]]:
    """By method, its films of each number.

    Args:
        folders: by method, where its films are.
        numbers: of the audios.
        place: key of the configuration that lists the methods, for messages.

    Raises:
        ValueError: a film is missing, cannot be played by browsers, has no sound, or is longer or shorter than the
            others of its audio.
    """
    films = {method: [_read(Path(folder), number, place) for number in numbers] for method, folder in folders.items()}
    for index, number in enumerate(numbers):
        lengths = {method: several[index].seconds for method, several in films.items()}
        middle = sorted(lengths.values())[len(lengths) // 2] if lengths else 0.0
        for method, seconds in lengths.items():
            if abs(seconds - middle) > _TOLERANCE:
                raise ValueError(
                    f"{folders[method]}/{number}.mp4: lasts {seconds:.2f} s, and the other films of that audio "
                    f"{middle:.2f} s; cut it to the same speech"
                )
    return films


def _read(folder: Path, number: int, place: str) -> Bare:
    path = folder / f"{number}.mp4"
    if not path.is_file():
        there = ", ".join(sorted(file.name for file in folder.glob("*.mp4"))) or "no mp4"
        raise ValueError(f"{path}: is not there; {place} needs it, and the folder holds {there}")
    return bare(path)
