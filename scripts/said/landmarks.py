"""The landmarks of a face: the iBUG scheme's 68 (Sagonas et al. 2013), counted from 0, and what they are called here.

Right and left are the subject's.
"""

import numpy as np

LANDMARKS = 68
"""Number of landmarks of the scheme."""

JAW = slice(0, 17)
"""From the right ear round the chin to the left ear."""
RIGHT_EAR, CHIN, LEFT_EAR = 0, 8, 16
BROWS = slice(17, 27)
NASION = 27
UPPER_FACE = np.r_[17:31, 36:48]
"""Brows, bridge of the nose and eyes."""
LIPS = slice(48, 68)
MOUTH_CORNERS = (48, 54)
UPPER_LIP, LOWER_LIP = (50, 51, 52), (56, 57, 58)
"""The middles of their outer edges."""
UPPER_INNER_LIP, LOWER_INNER_LIP = (61, 62, 63), (65, 66, 67)
"""They distinguish the upper lip from the lower where the two nearly touch."""
RIMS = (np.arange(36, 42), np.arange(42, 48), np.arange(60, 68))
"""Rims of the face's openings, right eye, left eye and mouth, each in order around the opening."""

MIRROR = np.r_[16:-1:-1, 26:16:-1, 27:31, 35:30:-1, 45:41:-1, 47:45:-1, 39:35:-1, 41:39:-1, 54:47:-1, 59:54:-1,
               64:59:-1, 67:64:-1]  # fmt: skip
"""(68,) int: each landmark's partner on the other side, itself where it lies in the middle."""

CHAINS = tuple(
    np.array([*numbers, numbers[0]] if closed else [*numbers])
    for numbers, closed in (
        (range(17), False), (range(17, 22), False), (range(22, 27), False), (range(27, 31), False),
        (range(31, 36), False), (range(36, 42), True), (range(42, 48), True), (range(48, 60), True),
        (range(60, 68), True),
    )
)  # fmt: skip
"""The landmarks along each line of the face: jaw, brows, nose, nostrils, eyes, outer and inner lips."""

# x to the subject's left, y up, z forward. The right half, then the middle; the left half is the right's mirror image.
_RIGHT = {
    0: (-72, 28, -66), 1: (-72, 10, -58), 2: (-70, -12, -52), 3: (-62, -30, -48), 4: (-54, -42, -40),
    5: (-44, -56, -28), 6: (-32, -68, -14), 7: (-18, -74, -6),
    17: (-54, 58, -4), 18: (-44, 62, 4), 19: (-36, 64, 10), 20: (-26, 62, 14), 21: (-16, 60, 16),
    31: (-14, -4, 16), 32: (-8, -6, 18),
    36: (-46, 40, 0), 37: (-40, 46, 8), 38: (-26, 44, 8), 39: (-20, 40, 4), 40: (-26, 36, 8), 41: (-40, 36, 6),
    48: (-26, -30, 4), 49: (-18, -24, 14), 50: (-6, -22, 20), 58: (-10, -38, 14), 59: (-18, -36, 10),
    60: (-26, -30, 4), 61: (-12, -28, 16), 67: (-12, -30, 16),
}  # fmt: skip
_MIDDLE = {
    8: (0, -76, 0), 27: (0, 42, 18), 28: (0, 30, 24), 29: (0, 18, 32), 30: (0, 4, 38), 33: (0, -6, 24),
    51: (0, -24, 20), 57: (0, -38, 16), 62: (0, -30, 18), 66: (0, -30, 18),
}  # fmt: skip


def _typical() -> np.ndarray:
    points = np.zeros((LANDMARKS, 3))
    for number, point in (_RIGHT | _MIDDLE).items():
        points[number] = point
        points[MIRROR[number]] = np.multiply(point, (-1, 1, 1))
    return points


TYPICAL = _typical()
"""(68, 3) millimetres, roughly where the landmarks of a face lie: x to the subject's left, y up, z forward."""
