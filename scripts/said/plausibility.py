"""Refuses meshes and landmarks that are wrong, before anything is computed from them.

Landmarks in the wrong order and triangles that face inwards give results that look right and are not. They are refused
here, with the reason. Units of length are in `said.units`.
"""

import numpy as np
import trimesh
from numpy.typing import ArrayLike, NDArray

from said.landmarks import CHAINS, LANDMARKS, MIRROR, TYPICAL
from said.meshes import fit_similarity, winding
from said.units import size_of

# Distances are in radii of a typical face, which is fitted to the landmarks first.
_MISFIT = 0.3  # root mean square over the landmarks: 0.15 at most where they are right, 0.44 at least where not
_FARTHEST = 0.6  # of a single landmark: 0.33 at most where they are right
_PAIR_MISFIT = 0.4  # root mean square distance between the landmarks of two meshes, in radii of the second's
_CLEAR = 0.1  # share of the area around the landmarks by which the majority must win on which side is outside

# ------------------------------------------------------------------------------------------ landmarks


def require_landmarks(vertices: NDArray, landmarks: NDArray, whose: str = "") -> None:
    """Refuse landmarks that lie in other places than a face's, or in another order than iBUG's, in any unit and pose.

    Args:
        vertices: (V, 3).
        landmarks: (68,) vertex indices, iBUG.
        whose: the beginning of the message, such as "source: ".

    Raises:
        ValueError: with the likely mistake.
    """
    fault = landmark_fault(vertices, landmarks)
    if fault:
        raise ValueError(f"{whose}{fault}")


def landmark_fault(vertices: NDArray, landmarks: NDArray) -> str | None:
    """What is wrong with the 68 landmarks of a mesh, None where nothing is."""
    vertices = np.asarray(vertices, np.float64)
    if _fits(vertices[landmarks]):
        return None
    swapped = (
        "left and right are swapped (landmark 0 belongs at the subject's right ear), or the mesh is its mirror image"
    )
    from_one, from_minus_one = "counted from 1: subtract 1 from each", "one too low: add 1 to each"
    for order, mirrored in ((np.arange(LANDMARKS), ""), (MIRROR, f"mirrored: {swapped}")):
        for shift, counted in ((0, ""), (-1, from_one), (1, from_minus_one)):
            indices = landmarks[order] + shift
            if 0 <= indices.min() and indices.max() < len(vertices) and _fits(vertices[indices]):
                return f"the landmarks look {' and '.join(filter(None, (mirrored, counted)))}"
    for places in range(1, LANDMARKS):
        if _fits(vertices[np.roll(landmarks, places)]):
            return f"the landmarks look shifted: number {LANDMARKS - places} of the list, from 0, is landmark 0"
    misplaced = _misplaced(vertices[landmarks]) if size_of(vertices[landmarks]) > 0 else np.arange(LANDMARKS)
    if len(misplaced) <= LANDMARKS // 3:
        listed = ", ".join(str(number) for number in misplaced)
        return f"landmarks {listed} (iBUG, from 0) lie where a face has others; check their vertices and their order"
    return (
        "the landmarks lie as on no face: shuffled, of another mesh or vertex order, or not in the order of the iBUG "
        "scheme"
    )


def _distances(points: NDArray, weights: NDArray | None = None) -> tuple[NDArray, NDArray]:
    """How far landmarks lie from those of a typical face.

    Returns:
        (68,) distances, in radii of the typical face; (n,) bool, whether each step of the chains leads the right way.
    """
    size = size_of(TYPICAL)
    if not size_of(points) > 0:
        return np.full(LANDMARKS, np.inf), np.zeros(1, bool)
    placed = fit_similarity(points, TYPICAL, weights)(points)
    steps = [(chain[:-1], chain[1:]) for chain in CHAINS]
    begin, end = (np.concatenate(part) for part in zip(*steps, strict=True))
    right_way = ((placed[end] - placed[begin]) * (TYPICAL[end] - TYPICAL[begin])).sum(axis=1) > 0
    return np.linalg.norm(placed - TYPICAL, axis=1) / size, right_way


def _fits(points: NDArray) -> bool:
    distances, right_way = _distances(points)
    return bool(np.sqrt((distances**2).mean()) <= _MISFIT and distances.max() <= _FARTHEST and right_way.all())


def _misplaced(points: NDArray) -> NDArray[np.int64]:
    """The landmarks that do not lie where the majority of the landmarks would have them."""
    distances, right_way = _distances(points, np.ones(LANDMARKS))
    for _ in range(4):
        distances, right_way = _distances(points, (distances <= np.quantile(distances, 0.67)).astype(float))
    far = np.asarray(distances > _FARTHEST)
    if not far.any():
        begin = np.concatenate([chain[:-1] for chain in CHAINS])
        end = np.concatenate([chain[1:] for chain in CHAINS])
        far[np.r_[begin[~right_way], end[~right_way]]] = True
    return np.flatnonzero(far if far.any() else distances > _MISFIT)


def require_similar_landmarks(source: NDArray, target: NDArray) -> None:
    """Refuse landmarks (L, 3) of two meshes that no similarity brings close to each other.

    Raises:
        ValueError: with whether a mirror image would fit.
    """
    if _misfit(source, target) <= _PAIR_MISFIT:
        return
    if _misfit(source * [-1, 1, 1], target) <= _PAIR_MISFIT:
        raise ValueError("the landmarks look mirrored: left and right are swapped on the source or on the target")
    raise ValueError(
        f"the landmarks of source and target lie differently: {100 * _misfit(source, target):.0f} % of their radius "
        "apart after the best fit; check that both lists name the same points in the same order, counted from 0"
    )


def _misfit(points: NDArray, onto: NDArray) -> float:
    size = size_of(onto)
    if not (size > 0 and size_of(points) > 0):
        return np.inf
    return float(np.sqrt(((fit_similarity(points, onto)(points) - onto) ** 2).sum(axis=1).mean()) / size)


# ------------------------------------------------------------------------------------------ orientation


def require_outward(vertices: NDArray, faces: NDArray, landmarks: NDArray, whose: str = "") -> None:
    """Refuse a face with triangles that face inwards: all later stages rely on normals that point outwards.

    Args:
        vertices: (V, 3), with `landmarks` (68,) that `require_landmarks` accepts.
        faces: (F, 3); parts that are not connected to a landmark are not checked.
        whose: the beginning of the message, such as "source: ".

    Raises:
        ValueError: with the number of these triangles.
    """
    forward = fit_similarity(TYPICAL, np.asarray(vertices, np.float64)[landmarks]).rotation[:, 2]
    inward, seen = _inward(vertices, faces, landmarks, forward)
    if inward.any():
        raise ValueError(
            f"{whose}{inward.sum()} of {seen} triangles face inwards; turn them round, so that each runs "
            "counter-clockwise seen from outside (in most programs: recalculate normals outside)"
        )


def _inward(vertices: NDArray, faces: NDArray, landmarks: NDArray, forward: NDArray) -> tuple[NDArray, int]:
    """(F,) bool, which triangles face inwards, and the number of triangles that were checked."""
    patches, turned, orientable = winding(faces)
    around = np.isin(faces, landmarks).any(axis=1) & orientable
    areas = trimesh.triangles.cross(np.asarray(vertices, np.float64)[faces])
    towards = areas @ forward * np.where(turned, -1, 1)
    votes = np.bincount(patches, np.where(around, towards, 0))
    clear = np.abs(votes) > _CLEAR * np.bincount(patches, np.where(around, np.linalg.norm(areas, axis=1), 0))
    known = clear[patches] & orientable
    return known & (turned ^ (votes < 0)[patches]), int(known.sum())


def require_one_winding(faces: NDArray, whose: str) -> None:
    """Refuse triangles (F, 3) of which some are wound against their neighbours.

    Raises:
        ValueError: with their number; `whose` is the beginning of the message.
    """
    patches, turned, _ = winding(faces)
    sizes, against = np.bincount(patches), np.bincount(patches, turned)
    count = int(np.minimum(against, sizes - against).sum())
    if count:
        raise ValueError(
            f"{whose}{count} of {len(faces)} triangles face inwards where their neighbours face outwards, or the other "
            "way round; wind all alike"
        )


def require_same_side(source_normals: NDArray, target_normals: NDArray) -> None:
    """Refuse two meshes of which one is inside out, by the (L, 3) normals at their landmarks, both in the same pose.

    Raises:
        ValueError: one of them is.
    """
    if (source_normals * target_normals).sum() < -_CLEAR * len(source_normals):
        raise ValueError(
            "all triangles of the source or of the target face inwards: at the landmarks, one mesh's normals point "
            "against the other's; turn that mesh's triangles round"
        )


# ------------------------------------------------------------------------------------------ values


def require_finite(vertices: NDArray, what: str, landmarks: ArrayLike = ()) -> None:
    """Refuse (V, 3) vertices that are not finite.

    Args:
        what: the beginning of the message, such as "source: ".
        landmarks: vertex indices; if a vertex that is not finite is among them, the message names it first.

    Raises:
        ValueError: with the number of the first such vertex.
    """
    bad = np.flatnonzero(~np.isfinite(vertices).all(axis=1))
    if len(bad):
        marks = np.flatnonzero(np.isin(landmarks, bad))
        if len(marks):
            vertex, named = np.asarray(landmarks)[marks[0]], f", which landmark {marks[0]} names,"
        else:
            vertex, named = bad[0], ""
        raise ValueError(f"{what}vertex {vertex}{named} is not finite")
