"""VOCASET's release as the corpus contract: the tree of PLY files, one per frame, read speaker by speaker."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import trimesh
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from said import io

REMEDY = (
    "download unposedcleaneddata, audio and templates from https://voca.is.tue.mpg.de (free registration), set "
    "vocaset.path in config.yaml to their folder, or run with --config dataset=synthetic"
)


def require(path: io.PathLike) -> Path:
    """The path, if it is there.

    Raises:
        FileNotFoundError: naming the path and how to get what belongs there.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: {REMEDY}")
    return path


def sentences(root: io.PathLike, speaker: str) -> tuple[list[str], dict[str, str]]:
    """The speaker's sentences that have both motion and speech.

    Returns:
        their names, sorted; and for each sentence that has only one of the two, what is missing.
    """
    motion_root = require(Path(root) / "unposedcleaneddata" / speaker)
    speech_root = require(Path(root) / "audio" / speaker)
    motion = {folder.name for folder in motion_root.iterdir() if next(folder.glob("*.ply"), None)}
    speech = {path.stem for path in speech_root.glob("*.wav")}
    gaps = {name: "no meshes" for name in speech - motion} | {name: "no speech" for name in motion - speech}
    return sorted(motion & speech), gaps


def convert_motion(root: io.PathLike, speaker: str, sentence: str, faces: NDArray, path: io.PathLike) -> int:
    """Stream one sentence's meshes into an (N, V, 3) float32 npy, one frame in memory at a time.

    Args:
        faces: (F, 3) triangles that every frame must have.
        path: the npy to write.

    Returns:
        the number of frames.

    Raises:
        ValueError: a frame has another topology or a coordinate that is not finite.
    """
    paths = sorted((Path(root) / "unposedcleaneddata" / speaker / sentence).glob("*.ply"))
    with io.atomic(path) as temporary:
        frames = None
        for index, mesh in enumerate(_meshes(paths)):
            if not np.array_equal(mesh.faces, faces):
                raise ValueError(f"{paths[index]}: its triangles are not the template's")
            if not np.isfinite(mesh.vertices).all():
                raise ValueError(f"{paths[index]}: a coordinate is not finite")
            if frames is None:
                shape = (len(paths), len(mesh.vertices), 3)
                frames = open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)
            frames[index] = mesh.vertices
        frames.flush()
    return len(paths)


def _meshes(paths: list[Path]) -> Iterator[trimesh.Trimesh]:
    for path in paths:
        yield io.read_mesh(path)
