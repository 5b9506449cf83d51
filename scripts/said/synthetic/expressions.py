"""The 52 ARKit expressions as displacement fields of the sculpture, so that every mesh made from it can show them.

Each expression adds up a few regions of influence, each a smooth weight over the face times a displacement in
percent of the face's width; the jaw turns about the temporomandibular joint. Amplitudes follow ARKit's own shapes.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from said.synthetic.anatomy import EYE_CENTRE, FACE_WIDTH, MOUTH_HALF_WIDTH, lip_arch, lip_heights, lip_line

JAW_JOINT = np.array([0.0, -2.0, 0.2])
JAW_OPENING = 0.37
"""Angle in radians by which the jaw drops in jawOpen."""
CORNER_SHARE = 0.45
"""How much of the jaw's motion the corners of the mouth follow."""

_Weights = Mapping[str, NDArray[np.float64]]
_Terms = tuple[tuple[str, tuple[float, float, float]], ...]
# region, displacement in percent of the face width; x points away from the middle where the shape has a side
_SIDED: dict[str, _Terms] = {
    "mouthSmile": (
        ("corner", (4.2, 4.6, -2.2)), ("around_corner", (2.0, 2.8, -5.2)), ("cheek", (0.6, 1.6, 0.6)),
        ("below_eye", (0, 1.6, 0.4)), ("lips_half", (0, 0.5, -0.8)),
    ),
    "mouthFrown": (
        ("corner", (0.9, -3.4, -1.4)), ("depressor", (-0.4, -3.4, -2.4)), ("mentalis", (0, 2.2, 1.5)),
        ("lips_half", (0, -0.5, -0.3)),
    ),
    "mouthDimple": (
        ("corner", (3.0, 1.4, -4.4)), ("buccal", (-0.9, 0.3, -2.8)), ("fold", (1.0, 0.4, -0.6)),
        ("lips_half", (0.5, 0.2, -0.8)),
    ),
    "mouthStretch": (
        ("corner", (4.3, -3.4, -6.2)), ("jowl", (3.2, -3.0, -1.6)), ("depressor", (1.8, -1.8, -0.8)),
        ("cheek", (0.8, -1.0, -0.4)), ("lips_half", (1.0, -0.5, -1.0)),
    ),
    "mouthPress": (
        ("below_lip", (0.9, 4.2, 2.0)), ("corner", (1.2, 2.6, 0.3)), ("lips_half", (0.2, 1.8, -0.2)),
        ("lower_red", (0, 2.0, 0.6)), ("upper_red", (0, -1.8, -0.5)),
    ),
    "mouthLowerDown": (("lower_half", (0.3, -5.3, -0.7)), ("corner_below", (0, -0.9, -0.2))),
    "mouthUpperUp": (
        ("upper_half", (1.9, 6.2, -3.0)), ("fold", (0.3, 1.4, 0.3)), ("sneer", (0, 0.6, 0)),
    ),
    "cheekSquint": (("below_eye", (-1.1, 5.4, 1.6)), ("lower_lid", (0, 1.0, 0))),
    "noseSneer": (("sneer", (0.2, 3.8, 0.3)), ("upper_half", (0, 0.6, 0)), ("inner_brow", (0, -0.8, 0))),
    "eyeSquint": (("lower_lid", (0, 2.6, 0.2)), ("below_eye", (0, 1.6, 0.4))),
    "eyeWide": (("upper_lid", (0, 2.2, 0)), ("brow", (0, 1.0, 0))),
    "eyeLookDown": (("upper_lid", (0, -2.4, 0.2)),),
    "eyeLookUp": (("upper_lid", (0, 1.7, 0)),),
    "eyeLookIn": (("upper_lid", (-0.6, 0.1, 0.1)), ("lower_lid", (-0.4, 0, 0))),
    "eyeLookOut": (("upper_lid", (0.6, 0.1, 0.1)), ("lower_lid", (0.4, 0, 0))),
    "browDown": (("brow", (-0.4, -3.6, 0.8)),),
    "browOuterUp": (("outer_brow", (0, 5.0, 0)),),
}  # fmt: skip
_CENTRAL: dict[str, _Terms] = {
    "jawForward": (("jaw", (0, -0.3, 5.0)), ("lower", (0, 1.2, 0.8)), ("throat", (0, 1.2, 2.8))),
    "mouthFunnel": (
        ("lips_outwards", (-6.4, 0, 0)), ("corners", (0, -0.8, 2.4)), ("lips", (0, -0.2, 3.8)),
        ("upper", (0, 2.8, 0.8)), ("upper_middle", (0, 1.6, 0)), ("lower", (0, -6.4, 0.8)),
        ("lip_frame_outwards", (2.4, 0, 0)), ("lip_frame", (0, 0, 2.2)),
    ),
    "mouthPucker": (
        ("lips_outwards", (-7.0, 0, 0)), ("corners", (0, 0.6, 3.0)), ("lips", (0, 0.5, 3.6)),
        ("lips_upwards", (0, 1.9, 0)), ("middle_red", (0, 0, 1.2)),
        ("puff", (0, 0.3, -2.8)), ("puff_outwards", (-2.4, 0, 0)), ("chin", (0, 1.4, 0.6)),
    ),
    "mouthRollLower": (("lower_red", (0, 4.5, -1.6)), ("lower", (0, 0.3, -1.8)), ("chin", (0, 2.0, 0.8))),
    "mouthRollUpper": (("upper_red", (0, -4.3, -2.4)), ("upper", (0, -0.3, -2.0))),
    "mouthShrugLower": (("lower", (0, 3.0, 1.2)), ("chin", (0, 3.6, 1.6)), ("upper", (0, 1.6, 0.3))),
    "mouthShrugUpper": (("upper", (0, 3.2, 0.2)), ("philtrum", (0, 1.4, 1.2)), ("middle_red", (0, 0, -0.6))),
    "cheekPuff": (
        ("puff_outwards", (4.2, 0, 0)), ("puff", (0, 0.2, 5.4)), ("lips", (0, -0.2, 2.6)),
        ("lips_outwards", (-1.6, 0, 0)),
    ),
    "browInnerUp": (("inner_brows", (0, 5.4, 0.4)),),
    # the meshes have no tongue: the lips part as if one passed
    "tongueOut": (("lower", (0, -4.0, 1.0)), ("upper", (0, 1.2, 0.4)), ("jaw", (0, -3.0, -0.8))),
}  # fmt: skip


def _step(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smooth step from 0 to 1 around 0."""
    return 1 / (1 + np.exp(-np.clip(values, -40, 40)))


def _bump(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-(values**2))


def regions_of_influence(points: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Weights (V,) over canonical `points` (V, 3), by name; for those with a side, by name and "Left" or "Right"."""
    x, y, z = points.T
    away = np.abs(x)
    height = y - lip_line(x)
    arch = lip_arch(x)
    upper_height, lower_height = lip_heights(x)
    front = _step(z - 2.5)
    above, below = np.maximum(height, 0), np.maximum(-height, 0)
    outwards = np.clip(x / MOUTH_HALF_WIDTH, -1.15, 1.15)
    off_lips = np.hypot(x / (MOUTH_HALF_WIDTH + 0.2), height / 1.25) - 0.75
    weights = {
        "front": front,
        "upper": (height > 0) * arch * _bump(np.maximum(above - 0.5, 0) / 0.85) * front,
        "lower": (height <= 0) * arch * _bump(np.maximum(below - 0.6, 0) / 1.0) * front,
        "lips": _bump(np.maximum(off_lips, 0) / 0.75) * front,
        "chin": _bump(x / 2.2) * _bump((y + 9.0) / 1.6) * front,
        "philtrum": _bump(x / 1.0) * _bump((y + 5.2) / 0.8) * front,
        "throat": _bump(x / 4.0) * _bump((y + 11.4) / 1.3) * _step(z - 1.0),
        "lip_frame": _bump((off_lips - 0.75) / 0.45) * front,
        "puff": (_bump((away - 3.6) / 1.9) * _bump((y + 6.0) / 2.0)) * front,
    }
    weights["upper_middle"] = weights["upper"] * _bump(x / 1.6)
    weights["lips_outwards"] = weights["lips"] * outwards
    weights["lip_frame_outwards"] = weights["lip_frame"] * outwards
    weights["lips_upwards"] = weights["lips"] * np.clip(height, -1.2, 1.2)
    weights["puff_outwards"] = weights["puff"] * np.tanh(x / 0.8)
    # the red of the lips: nothing at the line between them, all at their border, fading on the skin
    upper_red = (height > 0) * np.minimum(above / np.maximum(upper_height, 0.05), 1) ** 1.2 * arch
    lower_red = (height <= 0) * np.minimum(below / np.maximum(lower_height, 0.05), 1) ** 1.2 * arch
    weights["upper_red"] = upper_red * _bump(np.maximum(above - 0.75, 0) / 0.55) * front
    weights["lower_red"] = lower_red * _bump(np.maximum(below - 0.95, 0) / 0.75) * front
    weights["middle_red"] = _bump(x / 1.3) * _bump(np.maximum(np.abs(height) - 0.7, 0) / 0.4) * front

    # the mandible: all of the chin and the lower lip, half of the mouth's corners, fading to ears and throat
    follows = np.where(
        height > 0,
        CORNER_SHARE * (1 - arch) * _bump(height / 1.1),
        1 - (1 - CORNER_SHARE) * (1 - arch) * _bump(height / 1.4),
    )
    throat = _step((z - 2.6 - 0.16 * np.maximum(-y - 7, 0)) / 1.1)
    ramus = np.clip(0.30 + 0.70 * _bump(np.maximum(away - 2.6, 0) / 3.4), 0, 1)
    floor = _step((y + 13.6) / 0.8) * _step(z + 0.9 * (y + 11.3) + 1.0)
    weights["jaw"] = follows * throat * ramus * floor

    for name, side in (("Left", 1), ("Right", -1)):
        along = side * x

        def spot(
            across: float, up: float, width: float, tall: float, along: NDArray[np.float64] = along
        ) -> NDArray[np.float64]:
            return _bump((along - across) / width) * _bump((y - up) / tall) * front

        soft_half = _step(along / 0.55)
        to_corner = np.hypot((along - MOUTH_HALF_WIDTH) / 1.0, height / 1.15) - 0.1
        eye = np.exp(-(((along - EYE_CENTRE[0]) / 1.9) ** 4) - ((y - EYE_CENTRE[1]) / 1.15) ** 4) * front
        corner = _bump(np.maximum(to_corner, 0) / 1.35) * front * soft_half
        sided = {
            "side": soft_half,
            "corner": corner,
            "corner_below": corner * np.where(height > 0, 0.5 * (1 - arch) * _bump(height / 0.7), 1),
            "around_corner": _bump(np.maximum(to_corner, 0) / 3.3) * front * soft_half,
            "cheek": spot(4.2, -4.2, 2.0, 1.9),
            "below_eye": spot(4.2, -1.9, 2.1, 1.25) * _step(-(y + 0.95) / 0.30),
            "below_lip": spot(1.7, -8.3, 1.5, 1.25) * (height < 0) * _step((below - 0.55) / 0.25),
            "buccal": spot(3.7, -6.6, 0.9, 1.3),
            "depressor": spot(2.6, -8.3, 1.1, 1.1) * (height < 0),
            "jowl": spot(4.4, -8.4, 1.7, 1.7),
            "mentalis": spot(0.9, -9.3, 0.9, 0.9),
            "fold": spot(2.7, -4.9, 1.2, 1.3) * (height > 0),
            "sneer": spot(1.6, -2.9, 0.95, 1.7),
            "lips_half": weights["lips"] * soft_half,
            "upper_red": weights["upper_red"] * soft_half,
            "lower_red": weights["lower_red"] * soft_half,
            "upper_half": weights["upper"] * _bump((along - 1.25) / 1.25),
            "lower_half": weights["lower"] * _bump((along - 1.35) / 1.25),
            "brow": spot(3.2, 1.9, 2.2, 1.0),
            "inner_brow": spot(1.3, 1.9, 1.2, 1.1),
            "outer_brow": spot(4.4, 2.0, 1.5, 1.1),
            "upper_lid": eye * _step((y - EYE_CENTRE[1] - 0.08) / 0.12),
            "lower_lid": eye * _step(-(y - EYE_CENTRE[1] + 0.20) / 0.15),
        }
        weights |= {key + name: value for key, value in sided.items()}
    weights["corners"] = weights["cornerLeft"] + weights["cornerRight"]
    weights["inner_brows"] = weights["inner_browLeft"] + weights["inner_browRight"]
    return weights


def _turned(
    points: NDArray[np.float64], angles: NDArray[np.float64], centre: NDArray[np.float64], axis: int
) -> NDArray[np.float64]:
    """Displacement (V, 3) of `points` turned by `angles` (V,) about `centre`; axis 0 nods, axis 1 shakes."""
    offset = points - centre
    cosine, sine = np.cos(angles), np.sin(angles)
    moved = offset.copy()
    first, second = (1, 2) if axis == 0 else (2, 0)
    moved[:, first] = cosine * offset[:, first] - sine * offset[:, second]
    moved[:, second] = sine * offset[:, first] + cosine * offset[:, second]
    return moved - offset


def _weighted(weights: _Weights, terms: _Terms, side: str = "") -> NDArray[np.float64]:
    percent = FACE_WIDTH / 100
    total = np.zeros((len(weights["front"]), 3))
    for region, displacement in terms:
        vector = np.array(displacement, float)
        if side == "Right":
            vector[0] = -vector[0]
        total += weights[region + side][:, None] * vector * percent
    return total


def _jaw_open(points: NDArray[np.float64], weights: _Weights, share: float = 1.0) -> NDArray[np.float64]:
    turned = _turned(points, weights["jaw"] * JAW_OPENING * share, JAW_JOINT, 0)
    terms = (
        ("lower", (0, -1.6, -0.2)),
        ("lips_outwards", (-3.6, 0, 0)),
        ("puff", (0, -1.6, -1.8)),
        ("puff_outwards", (-1.4, 0, 0)),
    )
    return turned + share * _weighted(weights, terms)


def _jaw_sideways(points: NDArray[np.float64], weights: _Weights, side: int) -> NDArray[np.float64]:
    turned = _turned(points, weights["jaw"] * side * 0.070, np.array([0, -2.0, -2.0]), 1)
    leading, trailing = ("Left", "Right") if side > 0 else ("Right", "Left")
    # the skin bulges where the jaw goes and is drawn thin where it comes from
    bulge = _weighted(weights, (("jowl", (2.8, 0.4, 2.2)), ("depressor", (0.4, 1.6, 0.6))), leading)
    strain = _weighted(weights, (("jowl", (0.6, 0.6, -1.2)), ("buccal", (-0.8, -0.8, -0.6))), trailing)
    return turned + bulge + strain + _weighted(weights, (("jaw", (side * 0.4, 0.3, 2.0)),))


def _mouth_close(points: NDArray[np.float64], weights: _Weights) -> NDArray[np.float64]:
    """Brings the lips together over an open jaw, the lower lip two thirds of the way."""
    lip = np.array([[0.0, lip_line(np.zeros(1))[0] - 0.01, 8.7]])
    drop = _jaw_open(lip, regions_of_influence(lip))[0]
    around = weights["lips"] * (1 - weights["lower"]) * (weights["jaw"] > 0) * np.clip(weights["jaw"], 0, 1)
    return -(0.64 * weights["lower"] - 0.36 * weights["upper"] + 0.25 * around * weights["chin"])[:, None] * drop


def _mouth_sideways(weights: _Weights, side: int) -> NDArray[np.float64]:
    name = "Left" if side > 0 else "Right"
    other = "Right" if side > 0 else "Left"
    shift = _weighted(weights, (("lips", (side * 7.4, 0.3, 1.0)),))
    around = _weighted(weights, ((f"lips_half{name}", (0, 0, -1.6)), (f"lips_half{other}", (0, 0, 1.3))))
    # the cheek bunches up beside the leading corner and is hollow beside the other, the lips purse
    bunched = _weighted(
        weights, (("buccal", (2.0, 1.4, 4.0)), ("fold", (1.2, 1.8, 0.8)), ("corner", (-1.0, 2.0, 0.6))), name
    )
    hollow = _weighted(weights, (("buccal", (0.4, 0, -1.0)), ("depressor", (-0.8, 1.4, 0))), other)
    return shift + around + bunched + hollow + _weighted(weights, (("lips_outwards", (-2.2, 0, 0)),))


def _eye_blink(points: NDArray[np.float64], weights: _Weights, name: str, side: int) -> NDArray[np.float64]:
    above = points[:, 1] - EYE_CENTRE[1]
    lid = weights["upper_lid" + name] * _bump(np.maximum(above - 0.6, 0) / 0.6)
    turned = _turned(points, 0.78 * lid, EYE_CENTRE * [side, 1, 1], 0)
    turned[:, 1] = np.minimum(turned[:, 1], 0)
    return turned + _weighted(weights, (("lower_lid", (0, 0.9, 0)),), name)


def displacements(
    points: NDArray[np.float64],
    names: tuple[str, ...],
    anchors: NDArray[np.integer] | None = None,
    still: NDArray[np.bool_] | None = None,
    *,
    jaw_share: float = 1.0,
) -> NDArray[np.float64]:
    """Displacements (K, V, 3) cm of canonical `points` (V, 3) in the named ARKit expressions at coefficient 1.

    anchors: (V,) indices of the vertices whose place decides (those inside the mouth follow the lips), by default
    each its own. still: (V,) bool, vertices that never move (eyeballs). jaw_share: the part of its full angle by which
    jawOpen turns the jaw, for the non-linear path between closed and open. Raises KeyError for an unknown name.
    """
    weights = regions_of_influence(points if anchors is None else points[anchors])
    result = np.zeros((len(names), len(points), 3))
    for index, name in enumerate(names):
        side = "Left" if name.endswith("Left") else "Right" if name.endswith("Right") else ""
        sign = -1 if side == "Right" else 1
        base = name[: len(name) - len(side)]
        if name == "jawOpen":
            result[index] = _jaw_open(points, weights, jaw_share)
        elif base == "jaw":
            result[index] = _jaw_sideways(points, weights, sign)
        elif name == "mouthClose":
            result[index] = _mouth_close(points, weights)
        elif base == "mouth":
            result[index] = _mouth_sideways(weights, sign)
        elif base == "eyeBlink":
            result[index] = _eye_blink(points, weights, side, sign)
        elif base in _SIDED:
            result[index] = _weighted(weights, _SIDED[base], side)
        else:
            result[index] = _weighted(weights, _CENTRAL[name])
    if still is not None:
        result[:, still] = 0
    return result
