"""A speaker with blendshapes: what moves a face by coefficients."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from said.corpus import Topology
from said.files.arrays import read_arrays
from said.running.atomic import PathLike


def reconstruct(template, blendshapes, coefficients) -> np.ndarray:
    """(N, V, 3) vertices b0 + B u of (N, K) coefficients; template (V, 3), blendshapes (K, V, 3) absolute."""
    template = np.asarray(template, float)
    blendshapes = np.asarray(blendshapes, float)
    coefficients = np.asarray(coefficients, float)
    if coefficients.ndim != 2 or coefficients.shape[1] != len(blendshapes):
        raise ValueError(
            f"coefficients must be (N, {len(blendshapes)}), one column per blendshape, got {coefficients.shape}"
        )
    offsets = (blendshapes - template).reshape(len(blendshapes), -1)
    return (coefficients @ offsets).reshape(-1, *template.shape) + template


def read_displacements(path: PathLike) -> NDArray[np.float32]:
    """What each blendshape of a speaker moves, (32, 3 V), from the npz of template and blendshapes."""
    arrays = read_arrays(path)
    moved = arrays["blendshapes"] - arrays["template"]
    return moved.reshape(len(moved), -1).astype(np.float32)


@dataclass(frozen=True)
class Face:
    """A speaker's face and how it moves.

    Attributes:
        template: (V, 3) metres, x to the subject's left, y up, z forward.
        blendshapes: (32, V, 3), absolute.
        faces: (F, 3) vertex indices.
        landmarks: (68,) vertex indices.
    """

    template: NDArray
    blendshapes: NDArray
    faces: NDArray
    landmarks: NDArray


def read_faces(blendshapes: Iterable[PathLike], topology: Topology) -> dict[str, Face]:
    """Speakers' faces from the files of their blendshapes, by name.

    Raises:
        ValueError: a mesh that blendshapes are of lacks a landmark.
    """
    return {Path(path).stem: _read_face(path, topology) for path in blendshapes}


def _read_face(blendshapes: PathLike, topology: Topology) -> Face:
    arrays = read_arrays(blendshapes)
    place = {int(vertex): index for index, vertex in enumerate(arrays["vertices"])}
    missing = [number for number, vertex in enumerate(topology.landmarks) if int(vertex) not in place]
    if missing:
        raise ValueError(f"{blendshapes}: the mesh lacks the vertices of the landmarks {missing}")
    landmarks = np.array([place[int(vertex)] for vertex in topology.landmarks])
    return Face(arrays["template"], arrays["blendshapes"], arrays["faces"], landmarks)
