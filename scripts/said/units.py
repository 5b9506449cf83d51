"""Whether two meshes that are the same but for their expression are in the same unit of length."""

import numpy as np
from numpy.typing import NDArray

_SIZE_RATIO = 5.0  # a face's expressions are as large as the face; units differ tenfold or more
_UNITS = {"metres": 1.0, "centimetres": 0.01, "millimetres": 0.001, "inches": 0.0254}


def size_of(vertices: NDArray) -> NDArray[np.float64]:
    """(...) root mean square distance of (..., V, 3) vertices from their mean."""
    vertices = np.asarray(vertices, np.float64)
    spread = vertices - vertices.mean(axis=-2, keepdims=True)
    return np.sqrt((spread * spread).sum(axis=-1).mean(axis=-1))


def size_fault(size: float, expected: float) -> str | None:
    """What is wrong with the size of a mesh beside that of another that is the same but for its expression.

    Returns:
        the fault, to stand after the mesh's name; None where there is none, or the other has no size.
    """
    if not expected > 0 or expected / _SIZE_RATIO <= size <= expected * _SIZE_RATIO:
        return None
    if size == 0:
        return "has all its vertices in one place"
    for name, unit in _UNITS.items():
        for other, other_unit in _UNITS.items():
            if 0.75 < size / expected * unit / other_unit < 4 / 3:
                return f"is {size / expected:.4g} times as large: {name} beside {other}? Bring both to one unit"
    return f"is {size / expected:.4g} times as large; bring both to one unit of length, and to one scale"
