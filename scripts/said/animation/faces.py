"""The face that speaks: the package's own, one with ARKit's targets, a folder of OBJs, or a neutral head.

What is used as it is stands here; a neutral head gets its blendshapes in `said.animation.heads`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike, NDArray

from said.animation.names import arkit_name, in_order, match_names
from said.arkit import BLENDSHAPES, SPEECH_BLENDSHAPES
from said.files.arrays import read_arrays
from said.files.gltf import build_document, smooth_normals, whole
from said.files.gltf_document import Document, naming, read_document
from said.files.gltf_morphs import add_targets, read_target, target_names
from said.files.gltf_scene import read_scene, scene_colours
from said.files.meshes import read_colours, read_mesh
from said.running.atomic import PathLike
from said.running.shapes import shaped
from said.units import METRES, guess_unit

if TYPE_CHECKING:
    from said.animation.heads import Head

DEFAULT = "default"
"""Name of the package's own face."""
_ASSET = Path(__file__).with_name("default_face.npz")
_STEP = 2e-6  # metres, of the displacements in it: `said.synthetic.default_face.STEP`
_NEUTRAL = ("neutral", "base", "basis", "rest", "default")
_CONVERTED = {
    ".fbx": "an FBX", ".blend": "a Blender file", ".gltf": "a glTF in several files", ".ma": "a Maya file",
    ".mb": "a Maya file", ".max": "a 3ds Max file", ".c4d": "a Cinema 4D file", ".usd": "a USD", ".usdz": "a USD",
    ".usdc": "a USD", ".dae": "a Collada file", ".stl": "an STL", ".vrm": "a VRM",
}  # fmt: skip


@dataclass(frozen=True)
class Face:
    """A face and the targets that move it.

    Attributes:
        name: of its file or folder.
        document: the face as glTF, with its targets; what an animation is added to.
        targets: by mesh of the document, by ARKit's name: the target's number.
        neutral: (V, 3) metres, x to the subject's left, y up, z forward; in the order of its file's vertices, where
            the file shows them with all targets that speech sets at 0.
        faces: (F, 3) int.
        names: (K,) ARKit's names that it has, in the order of `said.arkit.BLENDSHAPES`.
        displacements: (K, V, 3) metres, what each adds to the neutral face at a weight of 1.
        colours: (V, 3) sRGB in [0, 1], or None.
        notes: what whoever brought it should know, a sentence each.
    """

    name: str
    document: Document
    targets: Mapping[int, Mapping[str, int]]
    neutral: NDArray[np.float64]
    faces: NDArray[np.int64]
    names: tuple[str, ...]
    displacements: NDArray[np.float64]
    colours: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def missing(self) -> tuple[str, ...]:
        """Those of the 32 names that the face has no target for: they do not move it."""
        return tuple(name for name in SPEECH_BLENDSHAPES if name not in self.names)

    @shaped
    def move(self, coefficients: Float64[np.ndarray, "N 32"]) -> Float64[np.ndarray, "N V 3"]:
        """Vertices in metres for coefficients in the order of `said.arkit.SPEECH_BLENDSHAPES`."""
        rows = [row for row, name in enumerate(self.names) if name in SPEECH_BLENDSHAPES]
        columns = [SPEECH_BLENDSHAPES.index(self.names[row]) for row in rows]
        offsets = self.displacements[rows].reshape(len(rows), -1)
        return (coefficients[:, columns] @ offsets).reshape(-1, *self.neutral.shape) + self.neutral


def load_face(path: PathLike | None, landmarks: PathLike | ArrayLike | None = None, unit: str | None = None) -> Face:
    """A face that speaks, from what a user brings.

    Args:
        path: None, the package's own; a GLB with targets that bear ARKit's names, used as it is; a folder with a
            neutral OBJ and one per expression; or a neutral GLB, OBJ or PLY, which gets the 32 by deformation transfer.
        landmarks: of a neutral head, 68 in iBUG's order: vertex indices from 0, or points (68, 3) in the file's own
            coordinates; arrays, or a text file of them. None looks for <name>_landmarks.txt beside the file.
        unit: metres, centimetres, millimetres or inches; None guesses from the distance between chin and nasion.

    Raises:
        ValueError: names the file, what is wrong, and what to do.
        FileNotFoundError: there is no such file.
    """
    if path is None:
        return default_face()
    found = find_face(path, landmarks, unit)
    return found if isinstance(found, Face) else found.face


def find_face(path: PathLike, landmarks: PathLike | ArrayLike | None = None, unit: str | None = None) -> "Face | Head":
    """A face that is used as it is, or a neutral head with the blendshapes that it got; see `load_face`."""
    path = Path(path)
    if unit is not None and unit not in METRES:
        raise ValueError(f"unit: {unit!r} is none of {', '.join(METRES)}")
    if path.is_dir():
        return _from_folder(path, unit)
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such face; paths begin in the current folder")
    suffix = path.suffix.lower()
    if suffix in _CONVERTED:
        raise ValueError(f"{path}: {_CONVERTED[suffix]} cannot be read; export as GLB or OBJ")
    if suffix not in (".glb", ".obj", ".ply"):
        raise ValueError(f"{path}: faces are read from .glb, .obj and .ply; export as GLB or OBJ")
    if suffix == ".glb" and landmarks is None:
        face = face_of(path.stem, read_document(path), path)
        if face is not None:
            return face
    from said.animation.heads import head_of  # the transfer is slow to import, and rarely needed

    return head_of(path, landmarks, unit)


def default_face() -> Face:
    """The package's own face: the mean head of the synthetic speakers, with ARKit's 52 expressions."""
    stored = read_arrays(_ASSET)
    vertices, faces = stored["vertices"].astype(np.float64), stored["faces"].astype(np.int64)
    displacements = stored["displacements"] * _STEP
    return make_face(DEFAULT, vertices, faces, BLENDSHAPES, displacements, stored["colours"] / 255.0)


def transfer_source() -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """The mask that heads of one's own get their blendshapes from.

    Returns:
        (V, 3) neutral vertices in metres; (F, 3) faces; (32, V, 3) absolute vertices of the expressions; (68,)
        landmarks.
    """
    stored = read_arrays(_ASSET)
    vertices = stored["source_vertices"].astype(np.float64)
    speech = [BLENDSHAPES.index(name) for name in SPEECH_BLENDSHAPES]
    expressions = vertices + stored["source_displacements"][speech] * _STEP
    return vertices, stored["source_faces"].astype(np.int64), expressions, stored["source_landmarks"].astype(np.int64)


def make_face(
    name: str,
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    names: tuple[str, ...],
    displacements: NDArray[np.float64],
    colours: NDArray[np.float64] | None,
    notes: tuple[str, ...] = (),
) -> Face:
    """A face of one mesh and one material, as a document of its own."""
    normals = smooth_normals(vertices, faces)
    document = build_document(name, vertices, normals, [whole(len(vertices), faces)], colours=colours)
    turns = np.stack([smooth_normals(vertices + move, faces) for move in displacements]) - normals
    add_targets(document, read_scene(document), names, displacements, turns)
    targets = {0: {target: number for number, target in enumerate(names)}}
    return Face(name, document, targets, vertices, faces, names, displacements, colours, notes)


def face_of(name: str, document: Document, path: PathLike) -> Face | None:
    """A document with ARKit's targets as a face, used as it is; None where it has none of the 32.

    Raises:
        ValueError: its scene holds no triangles, or it is damaged; `path` is named.
    """
    with naming(path):
        return _face_of(name, document)


def _face_of(name: str, document: Document) -> Face | None:
    targets = {}
    for number, mesh in enumerate(document.tree.get("meshes", [])):
        found = match_names(target_names(mesh))
        if found:
            targets[number] = found
    names = in_order(name for found in targets.values() for name in found)
    if not set(names) & set(SPEECH_BLENDSHAPES):
        return None
    scene = read_scene(document, speaking(targets))
    displacements = np.zeros((len(names), *scene.vertices.shape))
    for part in scene.parts:
        for row, target in enumerate(names):
            number = targets.get(part.mesh, {}).get(target)
            if number is not None:
                displacements[row, part.rows] = read_target(document, part, number)
    if not displacements.any():
        raise ValueError("its targets have ARKit's names, but move nothing in its scene")
    missing = [target for target in SPEECH_BLENDSHAPES if target not in names]
    notes = (f"no target for {', '.join(missing)}: they do not move it",) if missing else ()
    return Face(name, document, targets, scene.vertices, scene.faces, names, displacements,
                scene_colours(document, scene), notes)  # fmt: skip


def speaking(targets: Mapping[int, Mapping[str, int]]) -> dict[int, set[int]]:
    """By mesh, the targets that speech sets: a face's neutral is without them, whatever weights its file gives."""
    return {
        mesh: {number for name, number in found.items() if name in SPEECH_BLENDSHAPES}
        for mesh, found in targets.items()
    }


def _from_folder(folder: Path, unit: str | None) -> Face:
    """A folder of OBJs: a neutral face, and one for each expression, with the same vertices."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".obj")
    neutral = next((path for path in paths if path.stem.lower() in _NEUTRAL), None)
    places = match_names([path.stem for path in paths])
    names = in_order(places)
    if neutral is None or not set(names) & set(SPEECH_BLENDSHAPES):
        raise ValueError(
            f"{folder}: a folder with a face holds neutral.obj and an OBJ for each expression, such as jawOpen.obj"
        )
    rest = read_mesh(neutral)
    faces, vertices = np.asarray(rest.faces, np.int64), np.asarray(rest.vertices, np.float64)
    moves = []
    for name in names:
        moved = read_mesh(paths[places[name]])
        if len(moved.vertices) != len(vertices) or not np.array_equal(moved.faces, faces):
            raise ValueError(
                f"{paths[places[name]]}: its vertices or triangles are not those of {neutral.name}; export all from "
                "one mesh, with the order of vertices kept"
            )
        moves.append(np.asarray(moved.vertices, np.float64) - vertices)
    displacements = np.stack(moves)
    if unit is None:
        try:
            unit = guess_unit(float(np.ptp(vertices, axis=0).max()), 0.27)
        except ValueError as error:
            raise ValueError(f"{folder}: of the longest side of {neutral.name}, {error}") from None
    notes = (f"read as {unit}",)
    if "jawOpen" in names:
        axes = _upright(vertices, displacements[names.index("jawOpen")])
        if axes is not None:
            words = [f"{'-' if row.min() < 0 else ''}{'xyz'[int(np.abs(row).argmax())]}" for row in axes]
            notes += (f"turned: its up was {words[1]}, its forward {words[2]}",)
            vertices, displacements = vertices @ axes.T, displacements @ axes.T
    left_out = [path.name for path in paths if path != neutral and arkit_name(path.stem) is None]
    if left_out:
        notes += (f"left out, since ARKit has no such name: {', '.join(left_out)}",)
    scale = METRES[unit]
    return make_face(folder.name, vertices * scale, faces, names, displacements * scale, read_colours(rest), notes)


def _upright(vertices: NDArray[np.float64], opening: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """(3, 3) axes that bring a face whose y does not point up to x left, y up, z forward; None where nothing is to do.

    The chin lies low and in front, and an opening jaw moves it down and back: the sum of both directions points down,
    their difference forward.

    Args:
        vertices: (V, 3), and opening: (V, 3), what jawOpen adds to them.
    """
    weights = np.linalg.norm(opening, axis=1)
    if not weights.any():
        return None
    place = weights @ vertices / weights.sum() - (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    way = opening.sum(axis=0)
    place, way = (value / max(float(np.linalg.norm(value)), 1e-12) for value in (place, way))
    up, forward = np.zeros(3), np.zeros(3)
    upright = int(np.abs(place + way).argmax())
    up[upright] = -np.sign((place + way)[upright])
    ahead = int(np.abs(np.where(up != 0, 0, place - way)).argmax())
    forward[ahead] = np.sign((place - way)[ahead])
    down = -place @ up, -way @ up
    clear = min(down) > 0.4 and sum(down) > 0.9 * float(np.linalg.norm(place + way))  # not so of a whole body
    # What stands upright stays as it is, whichever way it faces.
    return None if up[1] == 1 or not clear or not forward.any() else np.stack([np.cross(up, forward), up, forward])
