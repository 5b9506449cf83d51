"""Shared by the figures: palette, boxes and arrows, heat maps, sheets of captioned pictures."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.image import AxesImage
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

# Distinguishable with any colour vision (Okabe & Ito 2008).
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
BLUE, RED, GREEN, PINK, ORANGE, SKY = PALETTE[:6]
PAPER = {"background": (1, 1, 1), "hollow": True}
"""Settings of a renderer for heads on a white page."""


def contact_sheet(images: Sequence[NDArray[np.uint8]], captions: Sequence[str], columns: int) -> NDArray[np.uint8]:
    """Images (H, W, 3) uint8 of one size in rows of `columns`, each with its caption below, as one image."""
    height, width = images[0].shape[:2]
    strip = max(18, width // 11)
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * width, rows * (height + strip)), "white")
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        x, y = index % columns * width, index // columns * (height + strip)
        sheet.paste(Image.fromarray(image), (x, y))
        draw_caption(sheet, caption, x + width // 2, y + height + strip // 2, strip * 0.62)
    return np.asarray(sheet)


def draw_caption(image: Image.Image, text: str, x: int, y: int, size: float) -> None:
    """Write a text into an image, centred at x, y; size in pixels."""
    font = ImageFont.load_default(size)
    ImageDraw.Draw(image).text((x, y), text, fill="black", font=font, anchor="mm")


def heat_map(
    axes: Axes, values: NDArray[np.floating], title: str, duration: float, cmap: str, limits: Sequence[float | None]
) -> AxesImage:
    """Draw coefficients (N, 32) of `duration` seconds, with time to the right and a row for each blendshape."""
    image = axes.imshow(
        values.T, aspect="auto", cmap=cmap, vmin=limits[0], vmax=limits[1], interpolation="nearest",
        extent=(0, duration, values.shape[1], 0),
    )  # fmt: skip
    axes.set(title=title, xlabel="seconds", ylabel="blendshape", yticks=[])
    return image


def show_picture(axes: Axes, image: NDArray[np.uint8], title: str) -> None:
    """Show an image (H, W, 3) with a title and no axes."""
    axes.imshow(image)
    axes.set_axis_off()
    axes.set_title(title, fontsize=10, pad=3)


def canvas(axes: Axes, width: float, height: float) -> None:
    """Make axes an empty drawing area of the given size."""
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()


def box(axes: Axes, x: float, y: float, width: float, height: float, text: str, colour: str, size: float = 9.5) -> None:
    """Draw a rounded box with a text, its lower left corner at x, y."""
    tint = 0.55 * np.array(to_rgb(colour)) + 0.45
    style = f"round,pad=0,rounding_size={0.08 * min(width, height)}"
    axes.add_patch(
        FancyBboxPatch((x, y), width, height, boxstyle=style, facecolor=tint, edgecolor="#333333", linewidth=1)
    )
    axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=size)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = "#333333") -> None:
    """Draw an arrow from one point to another."""
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=11, color=colour, shrinkA=0, shrinkB=0, clip_on=False
        )
    )
