"""What a user asks of curves beside the speech: gain, smoothing, another frame rate, other names."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from said.arkit import SPEECH_BLENDSHAPES
from said.corpus import FRAME_RATE
from said.running.atomic import PathLike
from said.running.console import nearest
from said.running.shapes import shaped


@shaped
def shape_curves(
    coefficients: Float[np.ndarray, "N 32"], gain: float | Mapping[str, float] = 1.0, smooth: float = 0.0
) -> Float[np.ndarray, "N 32"]:
    """Coefficients, smoothed and then multiplied, in [0, 1].

    Args:
        coefficients: 60 per second.
        gain: for all, or by blendshape; those without one keep their size.
        smooth: seconds, the standard deviation of a Gaussian; 0: none.

    Raises:
        ValueError: a blendshape is unknown, or a number is negative.
    """
    factors = np.ones(len(SPEECH_BLENDSHAPES))
    for name, factor in gain.items() if isinstance(gain, Mapping) else ((name, gain) for name in SPEECH_BLENDSHAPES):
        if name not in SPEECH_BLENDSHAPES:
            raise ValueError(f"gain: unknown blendshape {name!r}{nearest(name, SPEECH_BLENDSHAPES)}")
        factors[SPEECH_BLENDSHAPES.index(name)] = factor
    if smooth < 0 or (factors < 0).any():
        raise ValueError("gain and smooth must be at least 0")
    if not smooth and (factors == 1).all():  # of an hour, copies in double precision are 55 MB each
        return np.clip(coefficients, 0, 1, dtype=np.float32)
    values = coefficients.astype(np.float64)
    if smooth:
        values = gaussian_filter1d(values, smooth * FRAME_RATE, axis=0, mode="nearest")
    return np.clip(values * factors, 0, 1).astype(np.float32)


@shaped
def resample(coefficients: Float[np.ndarray, "N K"], fps: int) -> Float[np.ndarray, "M K"]:
    """Coefficients, or rotation vectors of a head, at 60 frames per second, linearly interpolated to `fps`.

    Frame m is at m / fps seconds.
    """
    if fps == FRAME_RATE:
        return coefficients
    count = (len(coefficients) - 1) * fps // FRAME_RATE + 1
    times = np.arange(count) * (FRAME_RATE / fps)
    below = np.minimum(times.astype(int), max(0, len(coefficients) - 2))
    share = (times - below)[:, None]
    above = np.minimum(below + 1, len(coefficients) - 1)
    return (coefficients[below] * (1 - share) + coefficients[above] * share).astype(np.float32)


def _capitalised(name: str) -> str:
    return name[0].upper() + name[1:]


NAME_MAPS: dict[str, dict[str, str]] = {
    "arkit": {name: name for name in SPEECH_BLENDSHAPES},
    # What VRM avatars call ARKit's shapes ("perfect sync"), in VRM 0 as clips and in VRM 1 as custom expressions.
    "vrm": {name: _capitalised(name) for name in SPEECH_BLENDSHAPES},
    # The property of a SkinnedMeshRenderer that an AnimationClip moves, in percent.
    "unity": {name: f"blendShape.{name}" for name in SPEECH_BLENDSHAPES},
}
"""Names of the 32 blendshapes in other programs."""
SCALES = {"unity": 100.0}
"""What a coefficient of 1 is there, where it is not 1."""


def read_names(names: str | PathLike) -> dict[str, str]:
    """The name that each blendshape has in another rig.

    Args:
        names: a key of `NAME_MAPS`, or a JSON file with an object of ARKit's names and the rig's. Blendshapes that it
            does not name are left out.

    Raises:
        ValueError: the file is no such object, a name of ARKit's is unknown, or two have one name.
        FileNotFoundError: it is neither a known map nor a file.
    """
    if names in NAME_MAPS:
        return NAME_MAPS[str(names)]
    path = Path(names)
    if not path.is_file():
        raise FileNotFoundError(f"names: {names} is none of {', '.join(NAME_MAPS)}, and no file")
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f'{path}: is not JSON ({error}); write {{"jawOpen": "name in your rig", ...}}') from None
    if not isinstance(given, dict) or not all(isinstance(value, str) and value for value in given.values()):
        raise ValueError(f'{path}: must be an object of names, {{"jawOpen": "name in your rig", ...}}')
    for name in given:
        if name not in SPEECH_BLENDSHAPES:
            raise ValueError(f"{path}: unknown blendshape {name!r}{nearest(name, SPEECH_BLENDSHAPES)}")
    if len(set(given.values())) < len(given):
        raise ValueError(
            f"{path}: two blendshapes have the same name in the rig; merge them there, or name one of them"
        )
    return {name: given[name] for name in SPEECH_BLENDSHAPES if name in given}


def renamed(coefficients: NDArray, names: Mapping[str, str]) -> tuple[list[str], NDArray]:
    """The rig's names, and the columns (N, K) of coefficients (N, 32) that have one."""
    columns = [SPEECH_BLENDSHAPES.index(name) for name in names]
    return list(names.values()), coefficients[:, columns]
