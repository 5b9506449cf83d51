"""The paper's figure 7: the 32 blendshapes of the source and of a speaker."""

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image

from said.arkit import SPEECH_BLENDSHAPES
from said.figures.style import contact_sheet, draw_caption
from said.render import DEFAULT_ALBEDO, Framing, Renderer, frame

_HEAT_RANGE, _HOT = 0.04, (0.90, 0.10, 0.02)  # displacement in metres that is drawn in this colour


def blendshapes(
    source: trimesh.Trimesh, expressions: NDArray[np.floating], head: trimesh.Trimesh, shapes: NDArray[np.floating]
) -> NDArray[np.uint8]:
    """Source face and head side by side in each of the 32 blendshapes, as in the paper's supplementary figure 7.

    Both are seen from the front at one scale, aligned by the parts that move; colour shows displacement.

    Args:
        source: the neutral source face, with Vs vertices. All arguments are in metres, upright and facing +z.
        expressions: (32, Vs, 3) its blendshapes.
        head: the neutral head, with Vt vertices.
        shapes: (32, Vt, 3) its blendshapes.

    Returns:
        an image (H, W, 3).
    """
    whole = frame(np.concatenate([source.vertices, *expressions]), margin=1.04)
    onto_head = _centre_of_motion(head, shapes) - _centre_of_motion(source, expressions)
    alike = Framing(tuple(whole.centre + onto_head), whole.half_height)
    pairs = []
    for mesh, moved, view, hollow in ((source, expressions, whole, False), (head, shapes, alike, True)):
        rest = np.asarray(mesh.vertices)
        renderer = Renderer(mesh.faces, (250, 190), view, background=(1, 1, 1), hollow=hollow)
        pairs.append([renderer(vertices, _heat(vertices - rest)) for vertices in (rest, *moved)])
    images = [np.hstack(pair) for pair in zip(*pairs, strict=True)]
    images.append(_heat_scale(*images[0].shape[:2]))
    return contact_sheet(images, ["neutral", *SPEECH_BLENDSHAPES, "displacement in mm"], columns=6)


def _centre_of_motion(mesh: trimesh.Trimesh, moved: NDArray[np.floating]) -> NDArray[np.float64]:
    """(3,) mean over the surface, weighted by its squared displacement; it does not depend on how fine the mesh is."""
    squares = ((moved - mesh.vertices) ** 2).sum(axis=(0, 2))
    weights = mesh.area_faces * squares[mesh.faces].mean(axis=1)
    return weights @ mesh.triangles_center / weights.sum()


def _heat(displacement: NDArray[np.floating]) -> NDArray[np.float64]:
    """(V, 3) colours from clay to red over `_HEAT_RANGE`; the square root makes small displacements visible."""
    amount = np.sqrt(np.clip(np.linalg.norm(displacement, axis=1) / _HEAT_RANGE, 0, 1))
    return np.array(DEFAULT_ALBEDO) * (1 - amount[:, None]) + np.array(_HOT) * amount[:, None]


def _heat_scale(height: int, width: int) -> NDArray[np.uint8]:
    """The key to `_heat`, as an image."""
    image = Image.new("RGB", (width, height), "white")
    left, bar, top, bottom = width // 3, width // 8, height // 10, height - height // 10
    amounts = np.linspace(1, 0, bottom - top)
    colours = _heat(np.outer(amounts**2 * _HEAT_RANGE, [1, 0, 0]))
    strip = np.repeat(np.round(255 * colours).astype(np.uint8)[:, None], bar, axis=1)
    image.paste(Image.fromarray(strip), (left, top))
    for millimetres in (0, 1, 5, 10, 20, 40):
        y = bottom - (bottom - top) * np.sqrt(millimetres * 1e-3 / _HEAT_RANGE)
        draw_caption(image, str(millimetres), left + bar + width // 14, round(y), height / 14)
    return np.asarray(image)
