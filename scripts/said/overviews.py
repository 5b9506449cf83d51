"""The paper's figures 1 to 3, drawn from the run's own meshes, masks, motion and models."""

from collections.abc import Mapping, Sequence

import numpy as np
import trimesh
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from numpy.typing import NDArray
from torch import nn

from said.arkit import SPEECH_BLENDSHAPES
from said.attention import alignment_mask
from said.coefficients import reconstruct
from said.corpus import FRAME_RATE
from said.figures import PALETTE
from said.model import SAiD, parameter_count
from said.render import Renderer, frame

BLUE, RED, GREEN, PINK, ORANGE, SKY = PALETTE[:6]
SHOWN_BLENDSHAPES = ("jawOpen", "mouthPucker", "mouthSmileLeft", "mouthFunnel")
GREY = "#B8B8B8"
PAPER = {"background": (1, 1, 1), "hollow": True}
"""How heads are drawn on a page."""


def overview(
    waveform: NDArray, rate: int, coefficients: NDArray, template: NDArray, blendshapes: NDArray, faces: NDArray,
    colours: NDArray | None,
) -> Figure:  # fmt: skip
    """Figure 1: speech and noise in, coefficients out, and the face that they move.

    Args:
        waveform: (T,) in [-1, 1]; rate: Hz.
        coefficients: (N, 32), a sample of the model for this speech.
        template: (V, 3); blendshapes: (32, V, 3) absolute; faces: (F, 3); colours: (V, 3) or None.
    """
    figure = Figure(figsize=(12, 6.2))
    grid = figure.add_gridspec(
        2, 3, width_ratios=(1, 0.36, 1), height_ratios=(1, 1.15),
        left=0.06, right=0.985, top=0.93, bottom=0.03, hspace=0.42,
    )  # fmt: skip
    left = grid[0, 0].subgridspec(2, 1, height_ratios=(1, 1.25), hspace=0.75)
    duration = len(coefficients) / FRAME_RATE
    sound = figure.add_subplot(left[0])
    sound.plot(np.arange(len(waveform)) / rate, waveform, color=BLUE, linewidth=0.4)
    sound.set(xlim=(0, duration), yticks=[], title="speech")
    sound.spines[["top", "right", "left"]].set_visible(False)
    noise = np.random.default_rng(0).normal(size=coefficients.shape)
    _heat_map(figure.add_subplot(left[1]), noise, "noise", duration, cmap="Greys", limits=(-3, 3))

    middle = figure.add_subplot(grid[0, 1])
    _canvas(middle, 1, 1)
    _box(middle, 0.12, 0.3, 0.76, 0.4, "SAiD:\ndenoising,\nstep by step", ORANGE, size=12)
    _arrow(middle, (-0.4, 0.85), (0.12, 0.62))
    _arrow(middle, (-0.4, 0.2), (0.12, 0.38))
    _arrow(middle, (0.88, 0.5), (1.26, 0.5))

    result = figure.add_subplot(grid[0, 2])
    _heat_map(result, coefficients, "blendshape coefficients", duration, cmap="viridis", limits=(0, None))
    moments = np.linspace(0, len(coefficients) - 1, 9)[1:-1].round().astype(int)
    meshes = reconstruct(template, blendshapes, coefficients[moments])
    strip = grid[1, :].subgridspec(1, len(moments), wspace=0.02)
    renderer = Renderer(faces, (420, 330), frame(meshes.reshape(-1, 3), 1.04), colours=colours, **PAPER)
    for column, (moment, mesh) in enumerate(zip(moments, meshes, strict=True)):
        _picture(figure.add_subplot(strip[column]), renderer(mesh), f"{moment / FRAME_RATE:.1f} s")
        result.axvline(moment / FRAME_RATE, color="white", linewidth=0.8, linestyle=":")
    return figure


def construction(
    source: trimesh.Trimesh, expressions: NDArray, template: trimesh.Trimesh, parts: Mapping[str, NDArray],
    shapes: Mapping[str, NDArray], recorded: NDArray, coefficients: NDArray,
) -> Figure:  # fmt: skip
    """Figure 2: how BlendVOCA is made, from the source face to the coefficients of a recording.

    Args:
        source: the source face; expressions: (32, Vs, 3) its blendshapes.
        template: a speaker's template, all of it.
        parts: vertex indices of head, face and eyeballs, as the clean-up found them.
        shapes: the speaker's template (V, 3), blendshapes (32, V, 3), faces (F, 3).
        recorded: (N, V, 3) a sequence of the speaker; coefficients: (N, 32) fitted to it.
    """
    figure = Figure(figsize=(12, 12.2))
    columns = 1 + len(SHOWN_BLENDSHAPES)
    grid = figure.add_gridspec(
        4, columns, height_ratios=(1, 1, 1, 0.8),
        left=0.07, right=0.95, top=0.965, bottom=0.05, hspace=0.2, wspace=0.03,
    )  # fmt: skip
    chosen = [SPEECH_BLENDSHAPES.index(name) for name in SHOWN_BLENDSHAPES]

    source_view = frame(np.concatenate([source.vertices, *expressions[chosen]]), 1.04)
    draw = Renderer(source.faces, (420, 420), source_view, background=(1, 1, 1))
    for column, mesh in enumerate([source.vertices, *expressions[chosen]]):
        title = "source face" if column == 0 else SHOWN_BLENDSHAPES[column - 1]
        _picture(figure.add_subplot(grid[0, column]), draw(mesh), title)

    cleaned = np.tile(to_rgb(ORANGE), (len(template.vertices), 1))  # the neck stays away
    for part, colour in (("head", GREY), ("face", SKY), ("eyeballs", "#F0E442")):
        cleaned[parts[part]] = to_rgb(colour)
    view = frame(np.concatenate([shapes["template"], *shapes["blendshapes"][chosen]]), 1.04)
    whole = frame(np.asarray(template.vertices), 1.02)
    picture = Renderer(template.faces, (420, 420), whole, colours=cleaned, background=(1, 1, 1), yaw=30)
    axes = figure.add_subplot(grid[1, 0])
    _picture(axes, picture(template.vertices), "template, cleaned")
    for row, (text, colour) in enumerate(
        (("takes part", SKY), ("put back", "#8A8A8A"), ("never moves", "#B0A000"), ("removed", ORANGE))
    ):
        place = (0.04 + 0.52 * (row % 2), -0.06 - 0.08 * (row // 2))
        axes.text(*place, text, transform=axes.transAxes, color=colour, fontsize=9, weight="bold")
    draw = Renderer(shapes["faces"], (420, 420), view, **PAPER)
    for column, index in enumerate(chosen, start=1):
        _picture(figure.add_subplot(grid[1, column]), draw(shapes["blendshapes"][index]), SPEECH_BLENDSHAPES[index])

    moments = np.linspace(0, len(recorded) - 1, columns + 2)[1:-1].round().astype(int)
    for column, moment in enumerate(moments):
        _picture(figure.add_subplot(grid[2, column]), draw(recorded[moment]), f"{moment / FRAME_RATE:.1f} s")
    duration = len(coefficients) / FRAME_RATE
    heat = figure.add_subplot(grid[3, :])
    image = _heat_map(heat, coefficients, "coefficients of the recording", duration, cmap="viridis", limits=(0, None))
    right = heat.get_position()
    figure.colorbar(image, cax=figure.add_axes((right.x1 + 0.008, right.y0, 0.012, right.height)))
    for moment in moments:
        heat.axvline(moment / FRAME_RATE, color="white", linewidth=0.8, linestyle=":")
    steps = ("source and blendshapes", "deformation transfer", "recording", "quadratic programme")
    for row, step in enumerate(steps):
        box = grid[row, 0].get_position(figure)
        figure.text(0.022, (box.y0 + box.y1) / 2, step, rotation=90, ha="center", va="center", fontsize=12, color=BLUE)
    return figure


def architecture(model: SAiD, encoder: nn.Module, name: str) -> Figure:
    """Figure 3: the parts of the model and how many parameters each has.

    Args:
        model: a variant of SAiD; encoder: its speech encoder, transformers' Wav2Vec2Model.
        name: of the variant.
    """
    figure = Figure(figsize=(12, 6.6))
    axes = figure.add_axes((0, 0, 1, 1))
    _canvas(axes, 120, 66)
    unet = model.denoiser.model
    rows = {"sound": 54, "noise": 27}
    axes.text(3, 63, f"SAiD, {name}: {_count(model.denoiser)} parameters in the denoiser", fontsize=13, weight="bold")

    y = rows["sound"]
    _box(axes, 3, y - 4, 14, 8, "waveform\n16 kHz", "#FFFFFF")
    _box(axes, 22, y - 4, 18, 8, f"convolutions\n{_count(encoder.feature_extractor)}", SKY)
    _box(axes, 45, y - 4, 20, 8, "linear interpolation\nto N frames", "#FFFFFF")
    rest = parameter_count(encoder) - parameter_count(encoder.feature_extractor)
    _box(axes, 70, y - 4, 18, 8, f"transformer\n{rest:,}", SKY)
    _box(axes, 93, y - 4, 24, 8, f"audio features\nN × {model.config.audio_width}", "#FFFFFF")
    for start, end in ((17, 22), (40, 45), (65, 70), (88, 93)):
        _arrow(axes, (start, y), (end, y))
    frozen = "frozen" if model.audio_encoder is None else "finetuned"
    axes.text(
        55, y + 5.5, f"speech encoder, wav2vec 2.0, {frozen}: {_count(encoder)} parameters", ha="center", fontsize=10
    )

    y = rows["noise"]
    blocks = [
        ("noisy\ncoefficients\nN × 32", "#FFFFFF", None),
        ("convolution", GREEN, unet.input_blocks[0]),
        ("encoder\nresidual,\ntransformer", ORANGE, unet.input_blocks[1]),
        ("middle\nresidual,\ntransformer,\nresidual", ORANGE, unet.middle_block),
        ("decoder 1\nresidual,\ntransformer", ORANGE, unet.output_blocks[0]),
        ("decoder 2\nresidual,\ntransformer", ORANGE, unet.output_blocks[1]),
        ("norm,\nconvolution", GREEN, unet.out),
        (f"predicted\n{'noise' if model.config.prediction == 'epsilon' else 'v'}\nN × 32", "#FFFFFF", None),
    ]
    centres = np.linspace(8, 112, len(blocks))
    for centre, (text, colour, module) in zip(centres, blocks, strict=True):
        count = f"\n{_count(module)}" if module is not None else ""
        _box(axes, centre - 5.8, y - 6, 11.6, 12, text + count, colour, size=8.5)
    for left, right in zip(centres[:-1], centres[1:], strict=True):
        _arrow(axes, (left + 5.8, y), (right - 5.8, y))
    for centre in centres[2:6]:  # cross-attention reads the audio in each transformer
        _arrow(axes, (centre, 42), (centre, y + 6), colour=BLUE)
    axes.plot([centres[2], 105, 105], [42, 42, 50], color=BLUE, linewidth=1.4)
    axes.text(centres[2] + 1, 43, "keys and values of the cross-attention", color=BLUE, fontsize=9.5)
    for start, end, depth in ((centres[2], centres[4], 3), (centres[1], centres[5], 6)):  # skips
        axes.plot([start, start, end], [y - 6, y - 6 - depth, y - 6 - depth], color=RED, linewidth=1.2)
        _arrow(axes, (end, y - 6 - depth), (end, y - 6), colour=RED)
    axes.text(centres[3], y - 8.6, "skip connections", color=RED, fontsize=9, ha="center")

    _box(
        axes,
        3,
        3,
        36,
        7,
        f"timestep: sinusoid, two layers: {_count(unet.time_embed)},\nadded in every residual block",
        PINK,
        size=9,
    )
    _box(axes, 43, 3, 28, 7, f"null condition of the guidance: {model.null_cond_emb.numel():,}", PINK, size=9)
    inset = figure.add_axes((0.775, 0.035, 0.1, 0.182))
    frames = 24
    mask = alignment_mask(frames, frames, model.config.alignment_bias)
    allowed = np.ones((frames, frames)) if mask is None else mask.numpy()
    inset.imshow(allowed, cmap="Blues", vmin=0, vmax=1.4, interpolation="nearest")
    inset.set(xticks=[], yticks=[], xlabel="audio frame", ylabel="motion frame")
    axes.text(106.5, 8.5, "alignment bias:\nwhat a frame\nof motion hears", fontsize=9, va="center")
    return figure


def _heat_map(axes, values: NDArray, title: str, duration: float, cmap: str, limits: Sequence):
    image = axes.imshow(
        values.T, aspect="auto", cmap=cmap, vmin=limits[0], vmax=limits[1], interpolation="nearest",
        extent=(0, duration, values.shape[1], 0),
    )  # fmt: skip
    axes.set(title=title, xlabel="seconds", ylabel="blendshape", yticks=[])
    return image


def _picture(axes, image: NDArray, title: str) -> None:
    axes.imshow(image)
    axes.set_axis_off()
    axes.set_title(title, fontsize=10, pad=3)


def _canvas(axes, width: float, height: float) -> None:
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()


def _box(axes, x: float, y: float, width: float, height: float, text: str, colour: str, size: float = 9.5) -> None:
    tint = 0.55 * np.array(to_rgb(colour)) + 0.45
    style = f"round,pad=0,rounding_size={0.08 * min(width, height)}"
    axes.add_patch(
        FancyBboxPatch((x, y), width, height, boxstyle=style, facecolor=tint, edgecolor="#333333", linewidth=1)
    )
    axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=size)


def _arrow(axes, start: Sequence[float], end: Sequence[float], colour: str = "#333333") -> None:
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=11, color=colour, shrinkA=0, shrinkB=0, clip_on=False
        )
    )


def _count(module: nn.Module) -> str:
    return f"{parameter_count(module):,}"
