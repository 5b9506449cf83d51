"""Keeps the lips from passing through each other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from said.synthetic.anatomy import CENTIMETRE, lip_line
from said.synthetic.head import Head

REACH = 0.7
"""Distance in cm from the line between the lips over which the skin gives way to their contact."""


@dataclass(frozen=True)
class LipContact:
    """Where the lips of a face meet.

    Attributes:
        pairs: (C, 2) int, vertices (upper, lower) that meet.
        least_gaps: (C,) metres, the least distance of each pair.
        around: (L,) int, the vertices that give way.
        spread: (L, C) how far each of them follows each pair: positive upwards (the upper lip and the skin above it),
            negative downwards.
    """

    pairs: NDArray[np.integer]
    least_gaps: NDArray[np.float64]
    around: NDArray[np.integer]
    spread: NDArray[np.float64]


def lip_contact(head: Head, template: NDArray[np.float64]) -> LipContact:
    """Contact of the lips of `template` (V, 3) metres, which has the topology of `head`."""
    pairs = head.lip_contacts
    points = head.vertices[head.anchors] / CENTIMETRE
    height = points[:, 1] - lip_line(points[:, 0])
    slit = head.vertices[pairs].mean(1)[:, 0] / CENTIMETRE
    order = np.argsort(slit)
    # linear interpolation along the lips, nothing at the corners of the mouth
    corner = np.abs(points[head.regions == "lip", 0]).max()
    knots = np.r_[-corner, slit[order], corner]
    columns = np.zeros((len(points), len(pairs)))
    for column, pair in enumerate(order):
        columns[:, pair] = np.interp(points[:, 0], knots, np.eye(len(knots))[column + 1], left=0, right=0)
    falloff = np.exp(-((height / REACH) ** 2)) * (points[:, 2] > 4)
    soft = np.isin(head.regions, ["skin", "lip", "mouth"])
    spread = columns * (falloff * soft * np.sign(height))[:, None]
    for which, sign in ((0, 1.0), (1, -1.0)):  # vertices in contact, and those anchored to them, follow exactly
        rows = np.flatnonzero(np.isin(head.anchors, pairs[:, which]))
        spread[rows] = sign * (head.anchors[rows, None] == pairs[None, :, which])
    around = np.flatnonzero(np.abs(spread).max(1) > 1e-3)
    gaps = template[pairs[:, 0], 1] - template[pairs[:, 1], 1]
    return LipContact(pairs, 0.5 * np.maximum(gaps, 0), around, spread[around] / 2)


def separate_lips(frames: NDArray[np.float32], lips: LipContact) -> None:
    """Push the lips apart, in place, wherever `frames` (N, V, 3) metres have one below the other."""
    upper, lower = lips.pairs.T
    missing = np.maximum(lips.least_gaps - (frames[:, upper, 1] - frames[:, lower, 1]), 0)
    if not missing.any():
        return
    # neighbours give way as well, less with distance, so that no crease forms
    apart = np.abs(np.subtract.outer(np.arange(len(upper)), np.arange(len(upper))))
    missing = (missing[:, None, :] * np.exp(-((apart / 2.5) ** 2))[None]).max(2)
    frames[:, lips.around, 1] += (missing @ lips.spread.T).astype(frames.dtype)
