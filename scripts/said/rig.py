"""A speaker's face with the blendshapes that move it: what deformation transfer makes and later stages animate."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from said.corpus import Topology
from said.files.arrays import read_arrays, write_arrays
from said.running.atomic import PathLike


@dataclass(frozen=True)
class Rig:
    """A face and its blendshapes.

    Attributes:
        template: (V, 3) the neutral face b0: metres, x to the subject's left, y up, z forward.
        blendshapes: (K, V, 3) b1..bK, absolute positions in the template's unit; the paper's 32 in its order.
        faces: (F, 3) int, vertex indices.
        vertices: (V,) int, ascending: their indices in the corpus's topology; None for a mesh that has its own.
        colours: (V, 3) in [0, 1], or None.
        landmarks: (68,) int, vertices of the iBUG landmarks, or None where they were not asked for.
    """

    template: NDArray
    blendshapes: NDArray
    faces: NDArray
    vertices: NDArray | None = None
    colours: NDArray | None = None
    landmarks: NDArray | None = None

    @property
    def displacements(self) -> NDArray:
        """(K, 3 V) displacements from the template to each blendshape: the rows of B' in Eq. 2."""
        return (self.blendshapes - self.template).reshape(len(self.blendshapes), -1)

    def move(self, coefficients: ArrayLike) -> NDArray[np.float64]:
        """(N, K) coefficients -> (N, V, 3) vertices, b0 + B u.

        Raises:
            ValueError: the coefficients have another shape.
        """
        return reconstruct(self.template, self.blendshapes, coefficients)


def reconstruct(template: ArrayLike, blendshapes: ArrayLike, coefficients: ArrayLike) -> NDArray[np.float64]:
    """Vertices b0 + B u of blendshape coefficients.

    Args:
        template: (V, 3), b0.
        blendshapes: (K, V, 3), absolute positions in the template's unit.
        coefficients: (N, K).

    Returns:
        (N, V, 3) in the template's unit.

    Raises:
        ValueError: the coefficients have another shape.
    """
    template = np.asarray(template, float)
    blendshapes = np.asarray(blendshapes, float)
    coefficients = np.asarray(coefficients, float)
    if coefficients.ndim != 2 or coefficients.shape[1] != len(blendshapes):
        raise ValueError(
            f"coefficients must be (N, {len(blendshapes)}), one column per blendshape, got {coefficients.shape}"
        )
    offsets = (blendshapes - template).reshape(len(blendshapes), -1)
    return (coefficients @ offsets).reshape(-1, *template.shape) + template


def write_rig(path: PathLike, rig: Rig) -> None:
    """A rig as npz, without its landmarks, which the topology has."""
    arrays = {key: value for key, value in vars(rig).items() if value is not None and key != "landmarks"}
    write_arrays(path, arrays)


def read_rig(path: PathLike, topology: Topology | None = None) -> Rig:
    """What `write_rig` wrote; with the topology of its corpus, the landmarks too.

    Raises:
        ValueError: the mesh lacks the vertex of a landmark.
    """
    rig = Rig(**read_arrays(path))
    if topology is None:
        return rig
    vertices = np.empty(0, np.int64) if rig.vertices is None else rig.vertices
    present = np.isin(topology.landmarks, vertices)
    if not present.all():
        missing = np.flatnonzero(~present).tolist()
        raise ValueError(f"{path}: the mesh lacks the vertices of the landmarks {missing}")
    return Rig(**vars(rig) | {"landmarks": np.searchsorted(vertices, topology.landmarks)})


def read_rigs(paths: Iterable[PathLike], topology: Topology | None = None) -> dict[str, Rig]:
    """Rigs by speaker, from files that are named after the speakers."""
    return {Path(path).stem: read_rig(path, topology) for path in paths}
