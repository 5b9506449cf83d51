"""Polygons as triangles."""

import numpy as np
from numpy.typing import NDArray


def fan(sizes: NDArray[np.int64], corners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Divide polygons into triangles, in the polygons' order: each becomes a fan around its first corner.

    Args:
        sizes: (P,) number of corners of each polygon, at least 3.
        corners: (sum of sizes,) vertex indices, polygon after polygon.

    Returns:
        (sum of sizes - 2 P, 3) int.
    """
    triangles = sizes - 2
    first = np.repeat(np.cumsum(sizes) - sizes, triangles)
    step = np.arange(triangles.sum()) - np.repeat(np.cumsum(triangles) - triangles, triangles)
    return corners[np.stack([first, first + step + 1, first + step + 2], axis=1)]
