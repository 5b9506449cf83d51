"""Pictures of meshes and of training."""

from collections.abc import Iterator, Mapping, Sequence

import matplotlib
import numpy as np
import trimesh
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from said.arkit import SPEECH_BLENDSHAPES
from said.io import read_colours
from said.render import DEFAULT_ALBEDO, Framing, Renderer, frame

matplotlib.use("Agg")
# Distinguishable with any colour vision (Okabe & Ito 2008).
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
_HEAT_RANGE, _HOT = 0.04, (0.90, 0.10, 0.02)  # displacement in metres that is drawn in this colour


def contact_sheet(images: Sequence[NDArray], captions: Sequence[str], columns: int) -> NDArray:
    """Images (H, W, 3) uint8 of one size in rows of `columns`, each with its caption below, as one image."""
    height, width = images[0].shape[:2]
    strip = max(18, width // 11)
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * width, rows * (height + strip)), "white")
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        x, y = index % columns * width, index // columns * (height + strip)
        sheet.paste(Image.fromarray(image), (x, y))
        _caption(sheet, caption, x + width // 2, y + height + strip // 2, strip * 0.62)
    return np.asarray(sheet)


def _caption(image: Image.Image, text: str, x: int, y: int, size: float) -> None:
    font = ImageFont.load_default(size)
    ImageDraw.Draw(image).text((x, y), text, fill="black", font=font, anchor="mm")


def speakers(templates: Mapping[str, trimesh.Trimesh], roles: Mapping[str, str]) -> NDArray:
    """All speakers, from the front and from the side, at one scale.

    Args:
        templates: one per speaker.
        roles: what each speaker is for, named in its caption.
    """
    view = frame(np.concatenate([template.vertices for template in templates.values()]), margin=1.02)
    images = []
    for template in templates.values():
        colours = read_colours(template)
        front, side = (
            Renderer(template.faces, (300, width), view, colours=colours, yaw=yaw, background=(1, 1, 1))(
                template.vertices
            )
            for yaw, width in ((0, 210), (42, 280))
        )
        images.append(np.hstack([front, side]))
    return contact_sheet(images, [f"{name} ({roles[name]})" for name in templates], columns=4)


def blendshapes(source: trimesh.Trimesh, expressions: NDArray, head: trimesh.Trimesh, shapes: NDArray) -> NDArray:
    """Source face and head side by side in each of the 32 blendshapes, as the paper's supplementary figure 7.

    Both are seen from the front at one scale, with what moves at the same place; colour is displacement.

    Args:
        source: neutral, Vs vertices; expressions: (32, Vs, 3); head: neutral, Vt vertices; shapes: (32, Vt, 3).
            All in metres, upright and facing +z.
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


def _centre_of_motion(mesh: trimesh.Trimesh, moved: NDArray) -> NDArray:
    """(3,) mean over the surface, weighted by the square of how far it moves; how fine the mesh is does not matter."""
    squares = ((moved - mesh.vertices) ** 2).sum(axis=(0, 2))
    weights = mesh.area_faces * squares[mesh.faces].mean(axis=1)
    return weights @ mesh.triangles_center / weights.sum()


def _heat(displacement: NDArray) -> NDArray:
    """(V, 3) colours from clay to red over `_HEAT_RANGE`; the root makes small motion visible."""
    amount = np.sqrt(np.clip(np.linalg.norm(displacement, axis=1) / _HEAT_RANGE, 0, 1))
    return np.array(DEFAULT_ALBEDO) * (1 - amount[:, None]) + np.array(_HOT) * amount[:, None]


def _heat_scale(height: int, width: int) -> NDArray:
    """The key to `_heat`, as an image."""
    image = Image.new("RGB", (width, height), "white")
    left, bar, top, bottom = width // 3, width // 8, height // 10, height - height // 10
    amounts = np.linspace(1, 0, bottom - top)
    colours = _heat(np.outer(amounts**2 * _HEAT_RANGE, [1, 0, 0]))
    strip = np.repeat(np.round(255 * colours).astype(np.uint8)[:, None], bar, axis=1)
    image.paste(Image.fromarray(strip), (left, top))
    for millimetres in (0, 1, 5, 10, 20, 40):
        y = bottom - (bottom - top) * np.sqrt(millimetres * 1e-3 / _HEAT_RANGE)
        _caption(image, str(millimetres), left + bar + width // 14, round(y), height / 14)
    return np.asarray(image)


def training(extractor: list[dict], variants: Mapping[str, list[dict]]) -> Figure:
    """Loss over steps of the extractor and of each variant: training as a line, validation as points.

    Args:
        extractor, variants: histories as the training loop writes them, one record per validation.
    """
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _curve(left, extractor, PALETTE[0], None)
    left.set(title="VAE feature extractor", xlabel="step", ylabel="loss", yscale="log")
    for (name, history), colour in zip(variants.items(), PALETTE * (1 + len(variants) // len(PALETTE)), strict=False):
        _curve(right, history, colour, name)
    right.set(title="SAiD", xlabel="step", ylabel="loss (each variant's own)", yscale="log")
    right.legend(frameon=False, fontsize=8)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        axes.annotate("line: training, points: validation", (0.02, 0.02), xycoords="axes fraction", fontsize=8)
    return figure


def _curve(axes, history: list[dict], colour: str, label: str | None) -> None:
    steps = [record["step"] for record in history]
    axes.plot(steps, [record["loss"] for record in history], color=colour, label=label, linewidth=1.2)
    axes.plot(steps, [record["validation"] for record in history], "o", color=colour, markersize=3)


def side_by_side(
    sequences: Sequence[NDArray],
    captions: Sequence[str],
    faces: NDArray,
    colours: NDArray | None,
    size: int,
    columns: int | None = None,
) -> Iterator[NDArray]:
    """Frames of a video that shows sequences of one topology beside each other.

    Args:
        sequences: (N, V, 3) each; the shortest decides the length.
        captions: written above each.
        size: pixels a side of each view, even.
        columns: views per row; all in one row by default. Places left over in the last row are white.

    Yields:
        images of one size, uint8, in rows of (size + strip, size * columns, 3).
    """
    columns = columns or len(sequences)
    seen = np.concatenate([np.asarray(sequence[::10]).reshape(-1, 3) for sequence in sequences])
    view = frame(seen, margin=1.08)
    renderers = [Renderer(faces, size, view, colours=colours) for _ in sequences]
    strip = max(20, size // 20 * 2)
    sheet = Image.new("RGB", (size * columns, (size + strip) * -(-len(sequences) // columns)), "white")
    corners = [(index // columns * (size + strip), index % columns * size) for index in range(len(sequences))]
    for (top, left), caption in zip(corners, captions, strict=True):
        _caption(sheet, caption, left + size // 2, top + strip // 2, strip * 0.6)
    image = np.array(sheet)
    for frames in zip(*sequences, strict=False):
        for (top, left), renderer, vertices in zip(corners, renderers, frames, strict=True):
            image[top + strip : top + strip + size, left : left + size] = renderer(vertices)
        yield image.copy()
