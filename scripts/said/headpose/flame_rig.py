"""Coefficients of FLAME's motion: the 32 blendshapes are transferred to its mean head, and fitted to its frames."""

from collections.abc import Mapping

import numpy as np
import trimesh
from numpy.typing import NDArray

from said.arkit import SPEECH_BLENDSHAPES
from said.cleanup import Regions, crop, reattach
from said.coefficients import fit_coefficients
from said.corpus import Topology
from said.deformation import find_correspondence, transfer
from said.headpose.flame import Flame
from said.headpose.mead import Performance
from said.rig import Rig

MAX_STEP = 0.2
"""Of a coefficient from frame to frame at 30 per second, as 0.1 is at 60."""


def rig_of(
    flame: Flame,
    source: trimesh.Trimesh,
    expressions: NDArray,
    landmarks: NDArray,
    topology: Topology,
    regions: Mapping[str, NDArray],
) -> Rig:
    """FLAME's mean head with the 32 blendshapes, as every speaker of the corpus gets them (Section 4.1).

    Args:
        source, expressions, landmarks: of the source face, see `said.corpus.read_source`.
        topology: of the corpus.
        regions: of its templates, see `said.cleanup.find_regions`.

    Raises:
        ValueError: the corpus has another mesh.
    """
    if not np.array_equal(flame.faces, topology.faces):
        raise ValueError(
            f"headpose.emotions.flame: its {len(flame.faces)} triangles are not the corpus's {len(topology.faces)}: "
            "landmarks and regions are known for the corpus's mesh alone. With dataset: vocaset it is FLAME's"
        )
    head = trimesh.Trimesh(flame.template, flame.faces, process=False)
    parts = Regions(**regions)
    face, old_to_new = crop(head, parts.face)
    pairs = find_correspondence(source, face, landmarks, old_to_new[topology.landmarks])
    moved = transfer(source, expressions, face, pairs)
    whole, _ = crop(head, parts.head)
    return Rig(whole.vertices, reattach(head, parts, moved), whole.faces, parts.head)


def fit_performance(flame: Flame, rig: Rig, performance: Performance, solver: str = "banded") -> NDArray[np.float32]:
    """(N, 32) coefficients of a performance at 30 frames per second (Eq. 2)."""
    frames = flame.move(performance.expression, performance.jaw)
    seen = frames if rig.vertices is None else frames[:, rig.vertices]
    fitted = fit_coefficients(rig.template, rig.blendshapes, seen, MAX_STEP, solver, names=SPEECH_BLENDSHAPES)
    return fitted.astype(np.float32)
