"""What the parts of a head are, beside its skin, and how each moves when the skin does.

Eyeballs and upper teeth belong to the skull and stand still. Lower teeth, their gums and the tongue belong to the jaw
and follow it as a rigid body. Lashes, brows, beard and hair lie on the skin and go with it. A part's name says what it
is where it has a telling one; else its place does.
"""

import re

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree  # pyright: ignore[reportAttributeAccessIssue]  # it is compiled and has no stub

from said.arkit import SPEECH_BLENDSHAPES
from said.landmarks import CHIN, LIPS, LOWER_INNER_LIP, MOUTH_CORNERS, NASION, UPPER_INNER_LIP
from said.meshes import fit_similarity

SKIN, EYEBALL, UPPER, LOWER, ON_SKIN = "skin", "eyeball", "upper teeth", "lower teeth and tongue", "on the skin"
JAW_SHAPES = ("jawForward", "jawLeft", "jawRight", "jawOpen")
"""The expressions that move the bone; the others move what lies over it."""
_BITE = r"(teeth|tooth|gum|dent)"
_NAMED = (
    (ON_SKIN, r"lash|brow|beard|mous?tache|stubble|tear|lacrimal|wet|hair|caruncle|occlusion"),
    (LOWER, rf"tongue|(lower|bottom|mandib|_low)[a-z_ .]*{_BITE}|{_BITE}s?[a-z_ .]*(lower|bottom|low\b)"),
    (UPPER, rf"(upper|top|maxill|_up)[a-z_ .]*{_BITE}|{_BITE}s?[a-z_ .]*(upper|top|up\b)"),
    (EYEBALL, r"eye_?ball|cornea|sclera|iris|pupil|eye(left|right)?\b|eye_?[lr]\b|wolf3d_eye"),
)
_NEIGHBOURS, _REACH, _FADE = 8, 0.15, 0.35  # of chin to nasion: how far from the skin its motion still counts
_CHIN_REACH = 0.22


def name_part(label: str) -> str | None:
    """What a part is by its name, in lower case; None where it does not tell."""
    return next((part for part, pattern in _NAMED if re.search(pattern, label)), None)


def place_part(vertices: NDArray[np.float64], marks: NDArray[np.float64]) -> str:
    """What a part is by where it lies.

    Args:
        vertices: (n, 3) of the part, x to the subject's left, y up, z forward.
        marks: (68, 3) landmarks.
    """
    height = float(np.linalg.norm(marks[NASION] - marks[CHIN]))
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    centre, size = (low + high) / 2, (high - low) / height
    for eye in (marks[36:42], marks[42:48]):
        width = np.ptp(eye[:, 0])
        near = np.abs(centre - eye.mean(axis=0)) < [0.6 * width, 0.6 * width, 0.8 * width]
        # A ball is as deep as it is wide and lies behind the lids; lashes are flat, and before them.
        if near.all() and size.min() > 0.5 * size.max() and size.max() > 0.1 and centre[2] < eye[:, 2].max():
            return EYEBALL
    lips, corners = marks[LIPS], marks[list(MOUTH_CORNERS)]
    line = marks[[*UPPER_INNER_LIP, *LOWER_INNER_LIP], 1].mean()
    width = np.ptp(corners[:, 0])
    behind = high[2] < lips[:, 2].max() + 0.02 * height and centre[2] < lips[:, 2].mean()
    within = abs(centre[0] - lips[:, 0].mean()) < 0.75 * width and size[0] * height < 1.6 * width
    deep = centre[2] > corners[:, 2].mean() - 0.9 * height
    level = -0.4 * height < centre[1] - line < 0.4 * height
    if not (behind and within and deep and level):
        return ON_SKIN
    above = (centre[1] - line) / height
    return UPPER if above > (0.06 if _is_tongue(vertices, low, high) else 0.0) else LOWER


def _is_tongue(vertices: NDArray[np.float64], low: NDArray, high: NDArray) -> bool:
    """Whether a part fills its middle from front to back, which a row of teeth does not."""
    size = high - low
    middle = vertices[np.abs(vertices[:, 0] - (low + high)[0] / 2) < 0.15 * size[0]]
    return len(middle) > 0 and np.ptp(middle[:, 2]) > 0.7 * size[2] and size[2] > 0.6 * size[0]


def follow_jaw(
    vertices: NDArray[np.float64],
    skin: NDArray[np.float64],
    moved: NDArray[np.float64],
    marks: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(32, n, 3) displacements of what the lower jaw carries.

    The jaw's motion is that of the skin over the chin, as a rigid body; of `JAW_SHAPES` alone.

    Args:
        vertices: (n, 3) of the parts.
        skin: (S, 3) the skin at rest; moved: (32, S, 3) its displacements.
        marks: (68, 3) landmarks.
    """
    height = float(np.linalg.norm(marks[NASION] - marks[CHIN]))
    distance = np.linalg.norm(skin - marks[CHIN], axis=1)
    over = np.flatnonzero((distance < _CHIN_REACH * height) & (skin[:, 1] < marks[57, 1]))
    over = over if len(over) >= 8 else np.argsort(distance)[:8]
    followed = np.zeros((len(moved), *vertices.shape))
    for name in JAW_SHAPES:
        row = SPEECH_BLENDSHAPES.index(name)
        rest, open_ = skin[over], skin[over] + moved[row, over]
        weights = np.exp(-((distance[over] / (0.6 * _CHIN_REACH * height)) ** 2))
        turn = fit_similarity(rest, open_, weights).rotation
        share = weights / weights.sum()
        followed[row] = (vertices - share @ rest) @ turn.T + share @ open_ - vertices
    return followed


def follow_skin(
    vertices: NDArray[np.float64], skin: NDArray[np.float64], moved: NDArray[np.float64], height: float
) -> NDArray[np.float64]:
    """(32, n, 3) displacements of what lies on the skin: the mean of the nearest skin's, fading with the distance."""
    count = min(_NEIGHBOURS, len(skin))
    distance, near = cKDTree(skin).query(vertices, k=count)
    weights = 1 / (distance**2 + (0.002 * height) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    fade = np.clip((_FADE * height - distance[:, 0]) / ((_FADE - _REACH) * height), 0, 1)
    followed = np.zeros((len(moved), *vertices.shape))
    for row, move in enumerate(moved):
        followed[row] = (move[near] * weights[..., None]).sum(axis=1) * fade[:, None]
    return followed
