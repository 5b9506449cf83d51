"""What a user gives to be animated: recordings and what their animations are called, the model, an earlier take.

The Snakefile imports this module at each start, so it imports nothing heavy.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from said.running.atomic import PathLike
from said.running.console import nearest

DECIDING = ("takes", "seed", "sampler", "steps", "guidance", "fps", "rest", "gain", "smooth", "names", "formats")
"""Keys of the section `animate` that `said.animation.animate.AnimateSettings` has."""
SUFFIXES = (
    ".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".mp4", ".webm", ".mov", ".mkv",
    ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64", ".mka",
)  # fmt: skip
"""Of the files in a folder that count as recordings; a file that is named itself may have any."""
FACES = "faces"
RESERVED = (FACES, "logs", "index.html")
"""Names beside the animations that no animation has."""
SPEECH_SOUND, COMPRESSED_SOUND, REPORT = "sound.wav", "sound.m4a", "report.json"
"""Files of an animation that others read."""
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|{}\u2028\u2029\ud800-\udfff]')
_LONGEST_NAME = 120
PUBLISHED, DEMO, RUN = "published", "demo", "run"
PUBLISHED_FILE = "SAiD.pth"
"""The authors' weights, with their speech encoder."""
WEIGHTS = "model.safetensors"
ENCODER = "speech_encoder"
"""Names of weights and of the encoder's folder, in a folder with a model."""
SHIPPED = Path(__file__).parent / DEMO / WEIGHTS
"""The package's own small model, with its speech encoder; `make model` makes it."""
POSE_VQ, POSE_GENERATOR = "pose_vq.safetensors", "pose_base.safetensors"
"""Files of the models that move the head; they hear through the speech encoder that they were trained with."""
HEAD = "head.csv"
"""How the head of an animation moves."""


@dataclass(frozen=True)
class ModelFiles:
    """Where a model lies.

    Attributes:
        name: for people.
        weights: SAiD.pth, or what `said.model.save` wrote.
        encoder: folder of its speech encoder; None where the weights bring it along.
    """

    name: str
    weights: Path
    encoder: Path | None

    @property
    def missing(self) -> bool:
        """Whether a file is not there."""
        return not self.weights.is_file() or (self.encoder is not None and not self.encoder.is_dir())


def find_model(wanted: str | None, published: PathLike, variants: Mapping[str, ModelFiles] | None = None) -> ModelFiles:
    """The files of the model that a user asks for; those of a variant need not be there yet.

    Args:
        wanted: `published`; `demo`, the package's own; a variant of this run; a folder or a file. None takes the
            published one if it is there, else the package's own.
        published: where the authors' SAiD.pth lies, or will lie.
        variants: of this run, by name.

    Raises:
        ValueError: there is no such model; says what there is.
    """
    variants = variants or {}
    authors = ModelFiles(PUBLISHED, Path(published), None)
    if wanted == PUBLISHED or (wanted is None and not authors.missing):
        return authors
    if wanted is None or wanted == DEMO:
        return ModelFiles(DEMO, SHIPPED, None)
    if wanted in variants:
        return variants[wanted]
    path = Path(wanted)
    found = _from_folder(path) if path.is_dir() else _from_file(path) if path.is_file() else None
    if found is None:
        known = [PUBLISHED, DEMO, *variants]
        raise ValueError(
            f"model: {wanted} is none of {', '.join(known)}, no file with weights, and no folder with {WEIGHTS} or "
            f"{PUBLISHED_FILE}{nearest(wanted, known)}"
        )
    return found


@dataclass(frozen=True)
class HeadFiles:
    """Where the models lie that move the head.

    Attributes:
        name: for people.
        vq, generator: of head poses, see `said.headpose`.
        encoder: the folder of their speech encoder, or the SAiD model that has it.
    """

    name: str
    vq: Path
    generator: Path
    encoder: Path

    @property
    def all(self) -> tuple[Path, Path, Path]:
        """Every file or folder."""
        return self.vq, self.generator, self.encoder


def find_head(wanted: str | None, run: HeadFiles | None = None) -> HeadFiles | None:
    """The files of the models of head poses that a user asks for; those of the run need not be there yet.

    Args:
        wanted: None: the head is still. `demo`: the package's own; `run`: those of this run; or a folder.
        run: of this run.

    Raises:
        ValueError: a folder lacks one; says which.
    """
    if wanted is None:
        return None
    if wanted == DEMO:
        return HeadFiles(DEMO, SHIPPED.parent / POSE_VQ, SHIPPED.parent / POSE_GENERATOR, SHIPPED)
    if wanted == RUN and run is not None:
        return run
    folder = Path(wanted)
    beside = [folder / ENCODER, folder.parent.parent / ENCODER, folder / WEIGHTS]
    encoder = next((path for path in beside if path.exists()), beside[0])
    files = HeadFiles(folder.name, folder / POSE_VQ, folder / POSE_GENERATOR, encoder)
    for path in files.all:
        if not path.exists():
            known = [DEMO, *([RUN] if run else [])]
            raise ValueError(
                f"head pose: {path} is not there; name {' or '.join(known)}, or a folder with {POSE_VQ}, "
                f"{POSE_GENERATOR} and {ENCODER}, such as results/<dataset>-<scale>/headpose/models"
                f"{nearest(wanted, known)}"
            )
    return files


def introduced(files: ModelFiles, wanted: str | None) -> str:
    """The line that says which model is used, and what a better one takes where none was asked for."""
    line = f"model: {files.name} ({files.weights})"
    if wanted is None and files.name == DEMO:
        line += f", small and trained on generated speech; `{PUBLISHED}` is the authors', which is downloaded"
    return line


def _from_folder(folder: Path) -> ModelFiles | None:
    for name in (WEIGHTS, PUBLISHED_FILE):
        if (folder / name).is_file():
            return _from_file(folder / name)
    return None


def _from_file(path: Path) -> ModelFiles:
    """A model's weights, with the encoder's folder beside them or where a run has it: above `said/<variant>/`."""
    beside = [path.parent / ENCODER, path.parent.parent.parent / ENCODER]
    encoder = next((folder for folder in beside if folder.is_dir()), None)
    return ModelFiles(path.parent.name, path, None if path.suffix == ".pth" else encoder)


@dataclass(frozen=True)
class Recording:
    """A file with speech.

    Attributes:
        path: where it is.
        name: of the folder of its animation.
    """

    path: Path
    name: str


def find_recordings(paths: Iterable[PathLike]) -> tuple[list[Recording], list[str]]:
    """The recordings that files and folders hold, sorted by name, each with a name of its own.

    A recording is called by the stem of its file; where two have the same one, by their whole names. Characters that no
    folder can have on some system become `_`.

    Args:
        paths: files, and folders, of which the visible files with one of `SUFFIXES` count.

    Returns:
        the recordings, and a line for each path that can be none.
    """
    files: dict[Path, Path] = {}
    faults = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(one for one in path.iterdir() if not one.name.startswith("."))
            found = [one for one in inside if one.suffix.lower() in SUFFIXES and not one.is_dir()]
            files |= {one.resolve(): one for one in found}
            for one in inside:
                if one.is_dir():
                    faults.append(f"{one}: is a folder; name it on its own, or move its recordings up into {path}")
            if not found:
                faults.append(f"{path}: holds no recording; put {', '.join(SUFFIXES[:10])} files there")
        elif path.exists() or path.is_symlink():
            files |= {path.resolve(): path}
        else:
            faults.append(f"{path}: is not there; paths begin in the current folder")
    return _named(sorted(files.values(), key=lambda file: (file.name, str(file)))), faults


def _named(files: Sequence[Path]) -> list[Recording]:
    stems = [_usable(file.stem).casefold() for file in files]
    names: list[str] = []
    taken = {name.casefold() for name in RESERVED}
    for file, stem in zip(files, stems, strict=True):
        wanted = _usable(file.stem if stems.count(stem) == 1 and stem not in taken else file.name)
        name, number = wanted, 2
        while name.casefold() in taken:
            name, number = f"{wanted}-{number}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return [Recording(file, name) for file, name in zip(files, names, strict=True)]


def _usable(name: str) -> str:
    """A name that every file system takes for a folder, and that leads nowhere else."""
    name = _FORBIDDEN.sub("_", unicodedata.normalize("NFC", name))[:_LONGEST_NAME]
    name = re.sub(r"^[.\s-]+|[.\s]+$", lambda found: "_" * len(found[0]), name)
    return name or "_"


def face_name(path: PathLike) -> str:
    """What the folder of a face is called."""
    return _usable(Path(path).stem)


def run_head(run: PathLike) -> HeadFiles:
    """The models of head poses of a run, by its folder."""
    models = Path(run) / "headpose" / "models"
    return HeadFiles(RUN, models / POSE_VQ, models / POSE_GENERATOR, Path(run) / ENCODER)


def kept_files(entry: Mapping[str, Any]) -> list[str]:
    """The files that an entry of `animate.keep` names."""
    return [entry[key] for key in ("reference", "mask") if key in entry]
