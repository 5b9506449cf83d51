"""Measures of a face beside those of Table 1: they need its meshes' lips, its coefficients and the true ones."""

from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import Real
from numpy.typing import NDArray

from said.agreement import jitter_ratio, truth_correlation
from said.headpose.blocks import BLOCK, at_30
from said.intervals import jackknife_interval
from said.running.shapes import shaped

MEASURES = ("lve_squared_mm2", "block_jump", "jitter", "jaw_correlation", "correlation_mean")
"""Of a method. Squared lip vertex error (mm^2, as CodeTalker's script and torchmetrics count it); how much more the
motion accelerates at the borders of blocks than within them, the truth's being 1; acceleration and correlation of the
coefficients with the real ones."""
_PER_CLIP = ("lve_squared_mm2", "block_jump")


@shaped
def squared_lip_error(truth: Real[np.ndarray, "N L 3"], sample: Real[np.ndarray, "N L 3"]) -> float:
    """The largest squared distance of any lip vertex from its true place, averaged over frames."""
    return float(np.square(np.subtract(sample, truth)).sum(2).max(1).mean())


@shaped
def border_acceleration(motion: Real[np.ndarray, "N K"]) -> float:
    """Mean acceleration at the borders of blocks over that within them.

    Args:
        motion: (N, K) at 60 frames per second; blocks are of 8 of every second frame, from the first.

    Returns:
        the ratio; NaN where no block is followed by another, or nothing moves within them.
    """
    halved = at_30(np.asarray(motion, float))
    acceleration = np.abs(np.diff(halved, 2, axis=0)).mean(1)  # number n is about frame n + 1
    place = (np.arange(len(acceleration)) + 1) % BLOCK
    border = (place == 0) | (place == BLOCK - 1)
    if not border.any() or border.all() or acceleration[~border].mean() < 1e-12:
        return np.nan
    return float(acceleration[border].mean() / acceleration[~border].mean())


def measure_clip(real: NDArray, samples: NDArray, truth: NDArray, meshes: Iterable[NDArray]) -> dict[str, float]:
    """Measures of a clip, means over its samples.

    Args:
        real: (N, 32) coefficients of the truth.
        samples: (S, M, 32); M and N may differ, by a few frames at the end.
        truth: (N, L, 3) metres, the true lips.
        meshes: of each sample (M, L, 3) metres.
    """
    errors = []
    for mesh in meshes:
        frames = min(len(truth), len(mesh))
        errors.append(1e6 * squared_lip_error(np.asarray(truth[:frames], float), mesh[:frames]))
    jump = np.mean([border_acceleration(sample) for sample in samples]) / border_acceleration(real)
    return {"lve_squared_mm2": float(np.mean(errors)), "block_jump": float(jump)}


def summarise(
    clips: Mapping[str, Mapping[str, float]], generated: Mapping[str, NDArray], real: Mapping[str, NDArray]
) -> dict:
    """The `MEASURES` of a method, None where there is none.

    Args:
        clips: by name, what `measure_clip` gave.
        generated: the same names -> (S, M, 32).
        real: the same names -> (N, 32).

    Returns:
        each measure; of those that clips have, <measure>_interval, its 95 % interval over clips or None; notes.
    """
    summary: dict = {"notes": {}}
    for measure in _PER_CLIP:
        values = [clip[measure] for clip in clips.values() if np.isfinite(clip[measure])]
        if len(values) < len(clips):
            summary["notes"][measure] = f"no value for {len(clips) - len(values)} of {len(clips)} clips"
        summary[measure] = float(np.mean(values)) if values else None
        summary[f"{measure}_interval"] = jackknife_interval(np.mean, values, lowest=0)
    correlations = truth_correlation(generated, real)
    summary["jitter"] = jitter_ratio(generated, real)
    summary["jaw_correlation"] = correlations["jawOpen"]
    summary["correlation_mean"] = float(np.mean(list(correlations.values())))
    return summary
