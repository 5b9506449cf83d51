"""What is wrong with meshes and landmarks, before anything is computed from them.

Landmarks in the wrong order and triangles that face inwards give results that look like results. Each is refused here,
and named. Units of length are in `said.units`.
"""

import numpy as np
import trimesh
from numpy.typing import ArrayLike, NDArray

from said.landmarks import CHAINS, LANDMARKS, MIRROR, TYPICAL
from said.meshes import fit_similarity, winding
from said.units import size_of

_MISFIT = 0.3  # root mean square distance from a typical face, of its radius: right ones leave 0.15, wrong ones 0.44
_FARTHEST = 0.6  # and of one landmark, where right ones leave 0.33
_PAIR_MISFIT = 0.4  # root mean square distance between any landmarks of two meshes, of their radius
_CLEAR = 0.1  # of the area around the landmarks: how much must agree on which side is outside

# ------------------------------------------------------------------------------------------ landmarks


def require_landmarks(vertices: NDArray, landmarks: NDArray, whose: str = "") -> None:
    """Refuse landmarks that are not where a face has them, or not in the scheme's order; unit and pose are free.

    Args:
        vertices: (V, 3).
        landmarks: (68,) vertex indices, iBUG.
        whose: begins the message, such as "source: ".

    Raises:
        ValueError: saying what they look like.
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
    """(68,) distances of landmarks from a typical face's, of its radius, and (n,) whether each step of the chains
    leads the right way."""
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
    """The landmarks that do not lie where those that agree with each other would have them."""
    distances, right_way = _distances(points, np.ones(LANDMARKS))
    for _ in range(4):
        distances, right_way = _distances(points, (distances <= np.quantile(distances, 0.67)).astype(float))
    far = np.asarray(distances > _FARTHEST)
    if not far.any():
        begin = np.concatenate([chain[:-1] for chain in CHAINS])
        end = np.concatenate([chain[1:] for chain in CHAINS])
        far[begin[~right_way]] = far[end[~right_way]] = True
    return np.flatnonzero(far if far.any() else distances > _MISFIT)


def require_similar_landmarks(source: NDArray, target: NDArray) -> None:
    """Refuse landmarks (L, 3) of two meshes that no similarity brings near each other.

    Raises:
        ValueError: saying whether a mirror image would fit.
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
    """Refuse a face whose triangles, or some of them, face inwards: normals tell front from back everywhere here.

    Args:
        vertices: (V, 3), with `landmarks` (68,) that `require_landmarks` accepts.
        faces: (F, 3); what is not connected to a landmark is not looked at.
        whose: begins the message, such as "source: ".

    Raises:
        ValueError: with their number.
    """
    forward = fit_similarity(TYPICAL, np.asarray(vertices, np.float64)[landmarks]).rotation[:, 2]
    inward, seen = _inward(vertices, faces, landmarks, forward)
    if inward.any():
        raise ValueError(
            f"{whose}{inward.sum()} of {seen} triangles face inwards; turn them round, so that each runs "
            "counter-clockwise seen from outside (in most programs: recalculate normals outside)"
        )


def _inward(vertices: NDArray, faces: NDArray, landmarks: NDArray, forward: NDArray) -> tuple[NDArray, int]:
    """(F,) bool: triangles that face inwards, and how many hang together with landmarks."""
    patches, turned, told = winding(faces)
    around = np.isin(faces, landmarks).any(axis=1) & told
    areas = trimesh.triangles.cross(np.asarray(vertices, np.float64)[faces])
    towards = areas @ forward * np.where(turned, -1, 1)
    votes = np.bincount(patches, np.where(around, towards, 0))
    clear = np.abs(votes) > _CLEAR * np.bincount(patches, np.where(around, np.linalg.norm(areas, axis=1), 0))
    known = clear[patches] & told
    return known & (turned ^ (votes < 0)[patches]), int(known.sum())


def require_one_winding(faces: NDArray, whose: str) -> None:
    """Refuse triangles (F, 3) that are wound against their neighbours.

    Raises:
        ValueError: with their number.
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
    """Refuse meshes of which one is inside out, by (L, 3) normals at their landmarks, both in one pose."""
    if (source_normals * target_normals).sum() < -_CLEAR * len(source_normals):
        raise ValueError(
            "all triangles of the source or of the target face inwards: at the landmarks, one mesh's normals point "
            "against the other's; turn that mesh's triangles round"
        )


# ------------------------------------------------------------------------------------------ values


def require_finite(vertices: NDArray, what: str, landmarks: ArrayLike = ()) -> None:
    """Refuse (V, 3) vertices that are not finite, naming the first, and the landmark that it is, if any.

    Raises:
        ValueError
    """
    bad = np.flatnonzero(~np.isfinite(vertices).all(axis=1))
    if len(bad):
        marks = np.flatnonzero(np.isin(landmarks, bad))
        if len(marks):
            vertex, named = np.asarray(landmarks)[marks[0]], f", which landmark {marks[0]} names,"
        else:
            vertex, named = bad[0], ""
        raise ValueError(f"{what}vertex {vertex}{named} is not finite")
