"""The paper's figure 3: the model."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from torch import nn

from said.attention import alignment_mask
from said.figures.style import BLUE, GREEN, ORANGE, PINK, RED, SKY, arrow, box, canvas
from said.model import SAiD, parameter_count

if TYPE_CHECKING:
    from transformers import Wav2Vec2Model


def architecture(model: SAiD, encoder: "Wav2Vec2Model", name: str) -> Figure:
    """Figure 3: the parts of the model and how many parameters each has.

    Args:
        model: a variant of SAiD.
        encoder: its speech encoder.
        name: of the variant.
    """
    figure = Figure(figsize=(12, 6.6))
    axes = figure.add_axes((0, 0, 1, 1))
    canvas(axes, 120, 66)
    unet = model.denoiser.model
    rows = {"sound": 54, "noise": 27}
    axes.text(3, 63, f"SAiD, {name}: {_count(model.denoiser)} parameters in the denoiser", fontsize=13, weight="bold")

    y = rows["sound"]
    box(axes, 3, y - 4, 14, 8, "waveform\n16 kHz", "#FFFFFF")
    box(axes, 22, y - 4, 18, 8, f"convolutions\n{_count(encoder.feature_extractor)}", SKY)
    box(axes, 45, y - 4, 20, 8, "linear interpolation\nto N frames", "#FFFFFF")
    rest = parameter_count(encoder) - parameter_count(encoder.feature_extractor)
    box(axes, 70, y - 4, 18, 8, f"transformer\n{rest:,}", SKY)
    box(axes, 93, y - 4, 24, 8, f"audio features\nN × {model.config.audio_width}", "#FFFFFF")
    for start, end in ((17, 22), (40, 45), (65, 70), (88, 93)):
        arrow(axes, (start, y), (end, y))
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
        box(axes, centre - 5.8, y - 6, 11.6, 12, text + count, colour, size=8.5)
    for left, right in zip(centres[:-1], centres[1:], strict=True):
        arrow(axes, (left + 5.8, y), (right - 5.8, y))
    for centre in centres[2:6]:  # cross-attention reads the audio in each transformer
        arrow(axes, (centre, 42), (centre, y + 6), colour=BLUE)
    axes.plot([centres[2], 105, 105], [42, 42, 50], color=BLUE, linewidth=1.4)
    axes.text(centres[2] + 1, 43, "keys and values of the cross-attention", color=BLUE, fontsize=9.5)
    for start, end, depth in ((centres[2], centres[4], 3), (centres[1], centres[5], 6)):  # skips
        axes.plot([start, start, end], [y - 6, y - 6 - depth, y - 6 - depth], color=RED, linewidth=1.2)
        arrow(axes, (end, y - 6 - depth), (end, y - 6), colour=RED)
    axes.text(centres[3], y - 8.6, "skip connections", color=RED, fontsize=9, ha="center")

    box(
        axes,
        3,
        3,
        36,
        7,
        f"timestep: sinusoid, two layers: {_count(unet.time_embed)},\nadded in every residual block",
        PINK,
        size=9,
    )
    box(axes, 43, 3, 28, 7, f"null condition of the guidance: {model.null_cond_emb.numel():,}", PINK, size=9)
    inset = figure.add_axes((0.775, 0.035, 0.1, 0.182))
    frames = 24
    mask = alignment_mask(frames, frames, model.config.alignment_bias)
    allowed = np.ones((frames, frames)) if mask is None else mask.numpy()
    inset.imshow(allowed, cmap="Blues", vmin=0, vmax=1.4, interpolation="nearest")
    inset.set(xticks=[], yticks=[], xlabel="audio frame", ylabel="motion frame")
    axes.text(106.5, 8.5, "alignment bias:\nwhat a frame\nof motion hears", fontsize=9, va="center")
    return figure


def _count(module: nn.Module) -> str:
    return f"{parameter_count(module):,}"
