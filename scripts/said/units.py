"""Units of length: whether two meshes have the same, and which one a face has."""

import numpy as np
from numpy.typing import NDArray

_SIZE_RATIO = 5.0  # an expression is about as large as the face; units differ by a factor of ten or more
METRES = {"metres": 1.0, "centimetres": 0.01, "millimetres": 0.001, "inches": 0.0254}
"""Length of each unit in metres."""


def size_of(vertices: NDArray) -> NDArray[np.float64]:
    """(...) root mean square distance of (..., V, 3) vertices from their mean."""
    vertices = np.asarray(vertices, np.float64)
    spread = vertices - vertices.mean(axis=-2, keepdims=True)
    return np.sqrt((spread * spread).sum(axis=-1).mean(axis=-1))


def size_fault(size: float, expected: float) -> str | None:
    """What is wrong with the size of a mesh, compared with another that differs in its expression alone.

    Args:
        size, expected: of the mesh and of the other, as `size_of` gives them.

    Returns:
        the fault, worded to follow the mesh's name; None where there is none, or the other mesh has no size.
    """
    if not expected > 0 or expected / _SIZE_RATIO <= size <= expected * _SIZE_RATIO:
        return None
    if size == 0:
        return "has all its vertices in one place"
    for name, unit in METRES.items():
        for other, other_unit in METRES.items():
            if 0.75 < size / expected * unit / other_unit < 4 / 3:
                return f"is {size / expected:.4g} times as large: {name} beside {other}? Bring both to one unit"
    return f"is {size / expected:.4g} times as large; bring both to one unit of length, and to one scale"


def guess_unit(length: float, expected: float) -> str:
    """The unit, a key of `METRES`, in which a length comes closest to what is expected.

    Args:
        length: as the file has it, such as from chin to nasion.
        expected: the same in metres.

    Raises:
        ValueError: there is no length, or none of the units brings it within a factor of 2.5.
    """
    if not (np.isfinite(length) and length > 0):
        raise ValueError("the face has no size")
    off = {name: abs(float(np.log(length * metres / expected))) for name, metres in METRES.items()}
    best = min(off, key=lambda name: off[name])
    if off[best] > np.log(2.5):
        raise ValueError(
            f"{length:.4g} are expected to be some {1000 * expected:.0f} mm, which they are in none of "
            f"{', '.join(METRES)}; name the unit"
        )
    return best
