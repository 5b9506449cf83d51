"""What the face does for each phone: visemes as targets over the 32 speech blendshapes.

Targets and dominances are hand-made after Cohen & Massaro (1993) and the usual viseme groups of English, and sized so
that the coefficients vary about as much as the published ones of BlendVOCA (coeffs_std.csv of the authors).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from said.arkit import SPEECH_BLENDSHAPES
from said.synthetic.phonetics import PHONES

INDEX = {name: column for column, name in enumerate(SPEECH_BLENDSHAPES)}
"""Blendshape name -> column."""

_PAIRED = ("mouthSmile", "mouthDimple", "mouthStretch", "mouthPress", "mouthLowerDown", "mouthUpperUp", "mouthFrown")


@dataclass(frozen=True)
class Viseme:
    """Target of one speech gesture and how strongly it asserts itself against its neighbours.

    Attributes:
        target: (32,) coefficients in [0, 1].
        strength: peak of the dominance function, alpha of Cohen & Massaro.
        decay: how fast dominance falls outside the phone, theta, per second.
    """

    target: NDArray[np.float64]
    strength: float
    decay: float


def columns(*names: str) -> list[int]:
    """Columns of blendshapes; ``mouthSmile`` and its like stand for left and right."""
    sides = ("Left", "Right")
    return [INDEX[n] for name in names for n in ([name + s for s in sides] if name in _PAIRED else [name])]


def _viseme(strength: float, decay: float, **target: float) -> Viseme:
    values = np.zeros(len(SPEECH_BLENDSHAPES))
    for name, value in target.items():
        values[columns(name)] = value
    values.flags.writeable = False
    return Viseme(values, strength, decay)


VISEMES = {
    "silence": _viseme(0.55, 9),
    "bilabial": _viseme(
        3.0, 26, mouthPress=0.32, mouthRollLower=0.35, mouthRollUpper=0.30, mouthClose=0.12, mouthShrugLower=0.32,
        mouthFrown=0.12, cheekPuff=0.14,
    ),
    "labiodental": _viseme(
        2.4, 22, jawOpen=0.06, mouthRollLower=0.55, mouthUpperUp=0.30, mouthShrugUpper=0.30, mouthLowerDown=0.05
    ),
    "dental": _viseme(1.2, 18, jawOpen=0.16, jawForward=0.12, mouthLowerDown=0.25, mouthUpperUp=0.12),
    "alveolar": _viseme(
        0.9, 18, jawOpen=0.11, mouthLowerDown=0.25, mouthUpperUp=0.10, mouthStretch=0.06, mouthShrugUpper=0.12
    ),
    "sibilant": _viseme(
        1.6, 18, jawOpen=0.05, jawForward=0.30, mouthStretch=0.22, mouthLowerDown=0.42, mouthUpperUp=0.18,
        mouthDimple=0.16,
    ),
    "postalveolar": _viseme(
        2.0, 16, jawOpen=0.07, jawForward=0.38, mouthFunnel=0.50, mouthPucker=0.22, mouthLowerDown=0.25,
        mouthUpperUp=0.22, mouthShrugUpper=0.40, mouthShrugLower=0.25,
    ),
    "velar": _viseme(0.6, 18, jawOpen=0.14, mouthLowerDown=0.14, mouthFrown=0.08),
    "lateral": _viseme(0.9, 18, jawOpen=0.17, mouthLowerDown=0.22, mouthUpperUp=0.08),
    "rhotic": _viseme(
        1.3, 15, jawOpen=0.10, jawForward=0.16, mouthFunnel=0.34, mouthPucker=0.22, mouthShrugUpper=0.32,
        mouthShrugLower=0.20,
    ),
    "labiovelar": _viseme(
        2.2, 15, jawOpen=0.05, mouthPucker=0.72, mouthFunnel=0.24, mouthShrugLower=0.22, cheekPuff=0.05
    ),
    "palatal": _viseme(0.9, 16, jawOpen=0.08, mouthStretch=0.20, mouthSmile=0.15, mouthLowerDown=0.15),
    "glottal": _viseme(0.3, 16, jawOpen=0.16),
    "AA": _viseme(1.5, 13, jawOpen=0.50, mouthLowerDown=0.15, mouthFrown=0.16),
    "AE": _viseme(
        1.5, 13, jawOpen=0.44, mouthStretch=0.22, mouthLowerDown=0.32, mouthUpperUp=0.16, mouthSmile=0.08,
        mouthShrugUpper=0.24,
    ),
    "AH": _viseme(1.3, 14, jawOpen=0.32, mouthLowerDown=0.14, mouthFrown=0.12),
    "AO": _viseme(1.5, 13, jawOpen=0.38, mouthFunnel=0.36, mouthPucker=0.12, mouthFrown=0.10, mouthShrugLower=0.15),
    "EH": _viseme(
        1.3, 14, jawOpen=0.29, mouthStretch=0.20, mouthLowerDown=0.30, mouthUpperUp=0.12, mouthSmile=0.06,
        mouthShrugUpper=0.26,
    ),
    "IH": _viseme(1.1, 15, jawOpen=0.14, mouthStretch=0.18, mouthLowerDown=0.24, mouthSmile=0.08, mouthDimple=0.08),
    "IY": _viseme(
        1.5, 13, jawOpen=0.08, mouthStretch=0.34, mouthSmile=0.22, mouthLowerDown=0.30, mouthDimple=0.24,
        mouthUpperUp=0.06,
    ),
    "UH": _viseme(1.2, 14, jawOpen=0.15, mouthPucker=0.34, mouthFunnel=0.24, mouthShrugUpper=0.20),
    "UW": _viseme(
        1.8, 12, jawOpen=0.06, jawForward=0.20, mouthPucker=0.78, mouthFunnel=0.30, mouthShrugLower=0.26
    ),
    "OW": _viseme(1.5, 12, jawOpen=0.28, mouthFunnel=0.44, mouthPucker=0.34, mouthShrugUpper=0.26),
    "ER": _viseme(
        1.3, 13, jawOpen=0.13, jawForward=0.14, mouthFunnel=0.32, mouthPucker=0.20, mouthLowerDown=0.12,
        mouthShrugUpper=0.30,
    ),
    "AX": _viseme(0.6, 15, jawOpen=0.17, mouthLowerDown=0.12),
}  # fmt: skip
"""The gestures by name; monophthongs carry their ARPAbet symbol, AX is the reduced vowel."""

_OF_PHONE = {
    "SIL": ("silence",), "B": ("bilabial",), "P": ("bilabial",), "M": ("bilabial",), "F": ("labiodental",),
    "V": ("labiodental",), "TH": ("dental",), "DH": ("dental",), "T": ("alveolar",), "D": ("alveolar",),
    "N": ("alveolar",), "S": ("sibilant",), "Z": ("sibilant",), "SH": ("postalveolar",),
    "ZH": ("postalveolar",), "CH": ("postalveolar",), "JH": ("postalveolar",), "K": ("velar",), "G": ("velar",),
    "NG": ("velar",), "L": ("lateral",), "R": ("rhotic",), "W": ("labiovelar",), "Y": ("palatal",),
    "HH": ("glottal",), "AA": ("AA",), "AE": ("AE",), "AH": ("AH",), "AO": ("AO",), "EH": ("EH",),
    "IH": ("IH",), "IY": ("IY",), "UH": ("UH",), "UW": ("UW",), "ER": ("ER",), "EY": ("EH", "IY"),
    "AY": ("AA", "IY"), "AW": ("AA", "UW"), "OW": ("OW", "UW"), "OY": ("AO", "IY"),
}  # fmt: skip
if set(_OF_PHONE) != set(PHONES):
    raise AssertionError("every phone needs a viseme")


def visemes_of(symbol: str, stress: int = 1) -> tuple[str, ...]:
    """Names of the gestures of a phone, one after the other in time; diphthongs have two.

    Raises:
        ValueError: the symbol is not ARPAbet's.
    """
    if symbol not in _OF_PHONE:
        raise ValueError(f"{symbol!r} is no phone; known are {', '.join(PHONES)}")
    if symbol == "AH" and stress == 0:
        return ("AX",)
    return _OF_PHONE[symbol]


def lip_aperture(coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the lips stand apart, in units of jawOpen; 0 when shut.

    A linear estimate: the weights are the blendshapes' effects on the distance between the inner lips relative
    to that of jawOpen, and mouthClose takes back what jawOpen gives.

    Args:
        coefficients: (..., 32).

    Returns:
        (...) values of at least 0.
    """
    opening = coefficients[..., INDEX["jawOpen"]] + 0.2 * coefficients[..., INDEX["mouthFunnel"]]
    opening = opening + 0.3 * coefficients[..., columns("mouthLowerDown", "mouthUpperUp")].mean(axis=-1) * 2
    return np.maximum(opening - coefficients[..., INDEX["mouthClose"]], 0)
