"""A neutral head of one's own gets the 32 blendshapes, by deformation transfer: the whole mesh, in the file's order.

weld          seams of texture and material are closed, coarse skins divided
landmarks     68, as vertices or points, give the unit of length, the axes and the mouth
transfer      from the package's mask to the face (Sec. 4.1); neck, ears and scalp fade out
parts         eyes and upper teeth stand still, lower teeth and tongue follow the jaw, lashes the skin
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import ArrayLike, NDArray

from said.animation import parts
from said.animation.copies import require_one_head
from said.animation.corners import smooth_corners
from said.animation.faces import Face, transfer_source
from said.animation.lips import NoOpening, cut_lips, require_lips_apart, require_mouth_opening
from said.animation.surfaces import HeadFile, as_document, read_head
from said.animation.weld import Surface, place_landmarks, refine, weld
from said.arkit import SPEECH_BLENDSHAPES
from said.cleanup import crop, find_regions, head_axes, reattach
from said.deformation import find_correspondence, transfer
from said.files.gltf import smooth_normals
from said.files.gltf_morphs import add_targets, target_names
from said.files.gltf_scene import read_scene
from said.landmarks import CHIN, LANDMARKS, MOUTH_CORNERS, NASION, TYPICAL
from said.plausibility import landmark_fault, require_finite
from said.running.atomic import PathLike
from said.units import METRES, guess_unit

_HEIGHT = float(np.linalg.norm(TYPICAL[NASION] - TYPICAL[CHIN])) / 1000
_DENSE = 40_000  # vertices: some 15 s
_say = partial(print, flush=True)
_SUFFIX = "_landmarks.txt"


@dataclass(frozen=True)
class Head:
    """A head that got its blendshapes.

    Attributes:
        face: ready to speak.
        file: what it was read from.
        displacements: (32, V, 3) in the file's own coordinates and unit.
        landmarks: (68, 3) where they lie, in the face's metres and axes.
        parts: (V,) what each vertex belongs to, a word of `said.animation.parts`.
        report: what was found: unit, axes, counts.
    """

    face: Face
    file: HeadFile
    displacements: NDArray[np.float64]
    landmarks: NDArray[np.float64]
    parts: NDArray[np.str_]
    report: Mapping[str, Any]


def head_of(
    path: PathLike,
    landmarks: PathLike | ArrayLike | None = None,
    unit: str | None = None,
    report: Callable[[str], None] = _say,
) -> Head:
    """Read a neutral head and give it the 32 blendshapes.

    Args:
        path: a GLB, OBJ or PLY.
        landmarks, unit: as `said.animation.faces.load_face` has them.
        report: gets a line beforehand where a head is so dense that it takes long.

    Raises:
        ValueError: names the file, what is wrong with it or its landmarks, and what to do.
    """
    path = Path(path)
    file = read_head(path)
    try:
        require_finite(file.vertices, "")
        given, points = _landmarks(path, landmarks, file)
        frame, unit, axes = _frame(points, unit)
        vertices, marks = frame(file.vertices), frame(points)
        height = float(np.linalg.norm(marks[NASION] - marks[CHIN]))
        if len(vertices) >= _DENSE:
            report(f"{path}: {len(vertices)} vertices; its blendshapes take a while, those of 200,000 a minute or two")
        surface = weld(vertices, file.faces, height)
        names = file.part_labels(np.arange(len(vertices)), len(vertices))
        require_one_head(vertices, file.faces, names, surface, marks)
        try:
            moved, words = _transferred(surface, file, marks, given)
        except NoOpening:
            opened = cut_lips(surface, file.faces, marks)
            if opened is None:
                raise
            surface = opened
            moved, words = _transferred(surface, file, marks, given)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    displacements = moved[:, surface.rows]
    kept = words[surface.rows]
    notes = (f"read as {unit}", *file.notes)
    facts = {
        "file": path.name,
        "unit": unit,
        "axes": axes,
        "chin_to_nasion_mm": round(1000 * height, 1),
        "vertices": len(vertices),
        "vertices_without_seams": len(surface.vertices),
        "parts": {word: int((kept == word).sum()) for word in sorted(set(kept.tolist()))},
        "largest_displacement_mm": {
            name: round(1000 * float(np.linalg.norm(move, axis=1).max()), 2)
            for name, move in zip(SPEECH_BLENDSHAPES, displacements, strict=True)
        },
        "notes": list(notes),
    }
    face = _face(path.stem, file, frame, vertices, displacements, surface, notes)
    return Head(face, file, frame.back(displacements), marks, kept, facts)


# ------------------------------------------------------------------------------------------ landmarks, unit, axes


@dataclass(frozen=True)
class _Frame:
    """From the file's coordinates to metres with x to the subject's left, y up, z forward."""

    axes: NDArray[np.float64]
    metres: float

    def __call__(self, points: NDArray) -> NDArray[np.float64]:
        return self.metres * (points @ self.axes.T)

    def back(self, displacements: NDArray) -> NDArray[np.float64]:
        return displacements @ self.axes / self.metres

    @property
    def plain(self) -> bool:
        """Whether it changes nothing."""
        return self.metres == 1 and np.array_equal(self.axes, np.eye(3))


def _landmarks(
    path: Path, landmarks: PathLike | ArrayLike | None, file: HeadFile
) -> tuple[NDArray[np.int64] | None, NDArray[np.float64]]:
    """(68,) vertices, None where points are given; and (68, 3) points in the file's coordinates."""
    source, vertices = "", file.vertices
    if landmarks is None:
        landmarks = path.with_name(f"{path.stem}{_SUFFIX}")
        if not landmarks.exists():
            raise ValueError(
                f"has no targets with ARKit's names{_others(file)}, and no landmarks by which it could get them: write "
                f"the 68 of iBUG into {landmarks.name} beside it, a vertex's number or a point a line; the page of the "
                "animations, index.html, places them by clicks"
            )
    if isinstance(landmarks, str | Path):
        source = f"{Path(landmarks).name}: "
        if not Path(landmarks).is_file():
            fault = "a folder" if Path(landmarks).is_dir() else "not there"
            raise ValueError(
                f"landmarks: {landmarks} is {fault}; name a text file of the {LANDMARKS} of iBUG, or leave the option "
                f"out where {path.stem}{_SUFFIX} lies beside the head"
            )
        landmarks = _numbers(Path(landmarks), source)
    values = np.asarray(landmarks)
    if values.shape in ((LANDMARKS,), (LANDMARKS, 3)):
        _require_numbers(values, source)
    if values.shape == (LANDMARKS,):
        given = values.astype(np.int64)
        if given.min() < 0 or given.max() >= len(vertices):
            raise ValueError(
                f"{source}landmark {int(np.argmax((given < 0) | (given >= len(vertices))))} names a vertex outside "
                f"0 to {len(vertices) - 1}, those of the file"
            )
        fault = landmark_fault(vertices, given)
        points = vertices[given]
    elif values.shape == (LANDMARKS, 3):
        given, points = None, values.astype(np.float64)
        fault = landmark_fault(points, np.arange(LANDMARKS))
    else:
        raise ValueError(
            f"{source}landmarks must be the {LANDMARKS} of iBUG, vertex numbers or points, not {values.shape}"
        )
    if fault:
        raise ValueError(f"{source}{fault}")
    return given, points


def _others(file: HeadFile) -> str:
    """The first targets of a head that has only others, in brackets."""
    meshes = file.document.tree.get("meshes", []) if file.document else []
    names = list(dict.fromkeys(name for mesh in meshes for name in target_names(mesh) if name))
    return f" (but {', '.join(map(repr, names[:3]))}{', ...' if len(names) > 3 else ''})" if names else ""


def _require_numbers(values: NDArray, source: str) -> None:
    """Refuse landmarks that are neither vertices' numbers nor finite points, by their place."""
    for place, value in enumerate(values.tolist()):
        for number in value if isinstance(value, list) else [value]:
            if not isinstance(number, int | float) or not np.isfinite(number):
                raise ValueError(f"{source}landmark {place} is {value!r}; write a vertex's number, or a point x y z")
            if number is value and number != round(number):
                raise ValueError(
                    f"{source}landmark {place} is {value!r}, between vertices; write a whole number or a point"
                )


def _numbers(path: Path, source: str) -> NDArray:
    """Lines of one number or of three."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), 1):
        words = line.partition("#")[0].replace(",", " ").split()
        try:
            row = [float(word) for word in words]
            if not np.isfinite(row).all() or (len(row) == 1 and row[0] != round(row[0])):
                raise ValueError
        except ValueError:
            raise ValueError(
                f"{source}line {number}: {line[:40]!r} is neither a vertex's number nor a point; write a whole number "
                "from 0, or x y z"
            ) from None
        if row:
            rows.append(row)
    widths = {len(row) for row in rows}
    if len(rows) == 1 and widths == {LANDMARKS}:
        return np.array(rows[0])
    if widths not in ({1}, {3}) or len(rows) != LANDMARKS:
        raise ValueError(
            f"{source}holds {len(rows)} lines of {sorted(widths)} numbers; write {LANDMARKS} lines, each a vertex's "
            "number from 0 or a point x y z"
        )
    return np.array(rows).squeeze()


def _frame(points: NDArray[np.float64], unit: str | None) -> tuple[_Frame, str, str]:
    """The file's frame by its landmarks: the axes nearest to the face's own, so that a bowed head stays bowed."""
    own = np.stack(head_axes(points, np.arange(LANDMARKS)))
    choices = [np.eye(3)[list(order)] * np.array(signs)[:, None] for order in _ORDERS for signs in _SIGNS]
    turns = [choice for choice in choices if np.linalg.det(choice) > 0]
    axes = max(turns, key=lambda turn: float((turn * own).sum()))
    unit = unit or guess_unit(float(np.linalg.norm(points[NASION] - points[CHIN])), _HEIGHT)
    words = [f"{'-' if row.min() < 0 else ''}{'xyz'[int(np.abs(row).argmax())]}" for row in axes]
    return _Frame(axes, METRES[unit]), unit, f"left {words[0]}, up {words[1]}, forward {words[2]}"


_ORDERS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
_SIGNS = [(x, y, z) for x in (1, -1) for y in (1, -1) for z in (1, -1)]

# ------------------------------------------------------------------------------------------ transfer


def _transferred(
    surface: Surface, file: HeadFile, marks: NDArray[np.float64], given: NDArray[np.int64] | None
) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """(32, W, 3) displacements of a surface's vertices, and (W,) what part each belongs to.

    `given` are (68,) vertices of the file, `marks` points.
    """
    given = None if given is None else surface.rows[given]
    count = len(surface.vertices)
    labels = surface.components
    near = (
        np.linalg.norm(surface.vertices[:, None] - marks[None, ::7], axis=2).argmin(axis=0) if given is None else given
    )
    component = int(np.bincount(labels[near]).argmax())
    fine = refine(surface, component)
    skin = fine.components == fine.components[np.flatnonzero(labels == component)[0]]
    landmarks = place_landmarks(fine, skin, marks, given)
    require_mouth_opening(fine, landmarks)
    require_lips_apart(fine, landmarks)
    mesh = trimesh.Trimesh(fine.vertices, fine.faces, process=False)
    regions = find_regions(mesh, landmarks, np.arange(len(fine.vertices)))
    face, new_index = crop(mesh, regions.face)
    neutral, source_faces, expressions, source_landmarks = transfer_source()
    source = trimesh.Trimesh(neutral, source_faces, process=False)
    pairs = find_correspondence(source, face, source_landmarks, new_index[landmarks])
    shapes = reattach(mesh, regions, transfer(source, expressions, face, pairs))
    shapes = smooth_corners(fine.vertices, fine.faces, shapes, landmarks[list(MOUTH_CORNERS)])
    moved = shapes - fine.vertices
    moved[:, ~skin] = 0
    words = np.full(count, parts.SKIN, dtype=object)
    hints = file.part_labels(surface.rows, count)
    used = np.zeros(count, bool)
    used[surface.faces] = True
    shared = parts.shared_words(np.unique(hints[used]).tolist())
    mine = np.flatnonzero(skin)
    rest, motion = fine.vertices[mine], moved[:, mine]
    height = float(np.linalg.norm(marks[NASION] - marks[CHIN]))
    for label in np.unique(labels[used & ~skin[:count]]):
        rows = np.flatnonzero((labels == label) & used)
        word = parts.name_part(str(hints[rows[0]]), shared) or parts.place_part(surface.vertices[rows], marks)
        words[rows] = word
        if word == parts.LOWER:
            moved[:, rows] = parts.follow_jaw(surface.vertices[rows], rest, motion, marks)
        elif word == parts.ON_SKIN:
            moved[:, rows] = parts.follow_skin(surface.vertices[rows], rest, motion, height)
    return moved[:, :count], words.astype(np.str_)


# ------------------------------------------------------------------------------------------ the face


def _face(
    name: str,
    file: HeadFile,
    frame: _Frame,
    vertices: NDArray[np.float64],
    displacements: NDArray[np.float64],
    surface: Surface,
    notes: tuple[str, ...],
) -> Face:
    """The head as a face: the user's own document with targets added, or one made of what the file holds."""
    rest = smooth_normals(surface.vertices, surface.faces)
    first = np.zeros(len(surface.vertices), np.int64)
    first[surface.rows] = np.arange(len(vertices))
    turns = np.stack(
        [smooth_normals(surface.vertices + move[first], surface.faces) - rest for move in displacements]
    )[:, surface.rows]  # fmt: skip
    if file.document is None:
        document, rows = as_document(name, file, vertices, rest[surface.rows])
        add_targets(document, read_scene(document), SPEECH_BLENDSHAPES, displacements[:, rows], turns[:, rows])
    else:
        document = file.document.copy()
        if not frame.plain:
            _stand_upright(document, frame)
        add_targets(document, read_scene(document), SPEECH_BLENDSHAPES, displacements, turns)
    targets = {}
    for number, mesh in enumerate(document.tree["meshes"]):
        names = mesh.get("extras", {}).get("targetNames", []) if isinstance(mesh.get("extras"), dict) else []
        if names[-len(SPEECH_BLENDSHAPES) :] == list(SPEECH_BLENDSHAPES):
            begin = len(names) - len(SPEECH_BLENDSHAPES)
            targets[number] = {target: begin + place for place, target in enumerate(SPEECH_BLENDSHAPES)}
    return Face(name, document, targets, vertices, file.faces, SPEECH_BLENDSHAPES, displacements, file.colours, notes)


def _stand_upright(document: Any, frame: _Frame) -> None:
    """Place the whole scene in a node that brings it to glTF's metres and axes."""
    tree = document.tree
    matrix = np.eye(4)
    matrix[:3, :3] = frame.metres * frame.axes
    scenes = tree.setdefault("scenes", [{"nodes": []}])
    scene = scenes[tree.setdefault("scene", 0)]
    tree["nodes"].append({"name": "metres, y up", "matrix": matrix.T.reshape(-1).tolist(), "children": scene["nodes"]})
    scene["nodes"] = [len(tree["nodes"]) - 1]
