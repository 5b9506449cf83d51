"""Measures of a method's motion that the paper does not report; they stand beside its tables.

Lip vertex error and upper-face dynamics deviation are those of the mesh-based methods of Table 1; beat consistency is
that of the literature on dance and gesture.
"""

from collections.abc import Mapping

import numpy as np
import trimesh
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from said.cleanup import MOUTH_CORNERS
from said.correspondence import nearest_source
from said.intervals import jackknife_interval

MEASURES = ("lip_vertex_error_mm", "upper_face_dynamics_mm", "beat_consistency")
_RANGES = {"lip_vertex_error_mm": (0, np.inf), "beat_consistency": (0, 1)}

LIPS = np.arange(48, 68)
UPPER_FACE = np.r_[17:31, 36:48]
"""iBUG indices of the landmarks of the lips; of brows, bridge of the nose and eyes."""

_LIP_REACH = 0.2  # of the mouth's width: how far around their landmarks the lips extend
_SMOOTHING = 2.0  # frames: standard deviation of the filter before extrema are looked for
_PROMINENCE = 0.25  # of a curve's standard deviation: what an extremum stands out by
_TOLERANCE = 3.0  # frames: sigma of Li et al. 2021, at 60 frames per second


def face_regions(template: trimesh.Trimesh, landmarks: NDArray, skin: NDArray) -> tuple[NDArray, NDArray]:
    """Vertices of the lips and of the upper face, found as those nearest along the surface to their landmarks.

    Args:
        template: V vertices.
        landmarks: (68,) vertex indices, iBUG.
        skin: vertex indices of the face, without eyeballs and cavities.

    Returns:
        two sorted arrays of vertex indices.
    """
    vertices = np.asarray(template.vertices)
    distance, nearest = nearest_source(vertices, np.asarray(template.faces), landmarks)
    mouth_width = np.linalg.norm(np.subtract(*vertices[landmarks[list(MOUTH_CORNERS)]]))
    on_skin = np.zeros(len(vertices), bool)
    on_skin[skin] = True
    lips = on_skin & np.isin(nearest, landmarks[LIPS]) & (distance <= _LIP_REACH * mouth_width)
    upper = on_skin & np.isin(nearest, landmarks[UPPER_FACE])
    return np.flatnonzero(lips), np.flatnonzero(upper)


def lip_vertex_error(truth: ArrayLike, sample: ArrayLike) -> float:
    """Largest distance of any lip vertex from its true place, averaged over frames (Richard et al. 2021, MeshTalk).

    Args:
        truth, sample: (N, L, 3) lip vertices.

    Returns:
        in the vertices' unit.
    """
    return float(np.linalg.norm(np.subtract(sample, truth), axis=2).max(1).mean())


def upper_face_dynamics_deviation(truth: ArrayLike, sample: ArrayLike, template: ArrayLike) -> float:
    """How much less the upper face varies in time than it does in truth (Xing et al. 2023, CodeTalker).

    The standard deviation over time of each vertex's distance from the template, the truth's less the sample's,
    averaged over vertices: positive where the sample moves less.

    Args:
        truth, sample: (N, U, 3) vertices of the upper face; template: (U, 3).

    Returns:
        in the vertices' unit.
    """
    true, sampled = (np.linalg.norm(np.subtract(motion, template), axis=2).std(0) for motion in (truth, sample))
    return float((true - sampled).mean())


def beat_consistency(lips: ArrayLike, waveform: ArrayLike, rate: int, frame_rate: int = 60) -> float:
    """How near the beats of the motion lie to those of the speech (Li et al. 2021, AI Choreographer, Eq. 6).

    Mean over the motion's beats of exp(-t^2 / 2 sigma^2), t being the time to the nearest beat of the speech and sigma
    3 frames. Beats of the motion are the minima of the lips' mean speed, as theirs of the dance; beats of the speech,
    in place of those of the music, are the maxima of its loudness, the nuclei of the syllables.

    Args:
        lips: (N, L, 3) lip vertices, in any unit; waveform: (T,); rate: Hz.

    Returns:
        in [0, 1].

    Raises:
        ValueError: the lips or the speech have no beat.
    """
    speed = np.linalg.norm(np.diff(lips, axis=0), axis=2).mean(1)
    motion = _peaks(-gaussian_filter1d(speed, _SMOOTHING)) + 0.5  # between two frames
    speech = _peaks(gaussian_filter1d(_loudness(np.asarray(waveform), rate, frame_rate), _SMOOTHING))
    if not len(motion):
        raise ValueError("the lips have no beat: they hardly move")
    if not len(speech):
        raise ValueError("the speech has no beat: it is silent or too short")
    nearest = np.abs(motion[:, None] - speech).min(1)
    return float(np.exp(-np.square(nearest / _TOLERANCE) / 2).mean())


def summarise(per_clip: Mapping[str, Mapping[str, float]]) -> dict:
    """Means over clips with their 95 % intervals.

    Args:
        per_clip: name of each clip -> measure -> value, NaN where the clip has none.

    Returns:
        each of `MEASURES` -> number, or None where no clip has a value; `<measure>_interval` -> [low, high], or None
        where fewer than two have; notes: measure -> for how many clips there is no value.
    """
    summary: dict = {"notes": {}}
    for measure in MEASURES:
        values = [clip[measure] for clip in per_clip.values() if np.isfinite(clip[measure])]
        if len(values) < len(per_clip):
            summary["notes"][measure] = f"no value for {len(per_clip) - len(values)} of {len(per_clip)} clips"
        summary[measure] = float(np.mean(values)) if values else None
        lowest, highest = _RANGES.get(measure, (-np.inf, np.inf))
        summary[f"{measure}_interval"] = jackknife_interval(np.mean, values, lowest=lowest, highest=highest)
    return summary


def measure_clip(
    truth: NDArray, samples: NDArray, template: NDArray, lips: int, waveform: NDArray, rate: int
) -> dict[str, float]:
    """All `MEASURES` of one clip, means over its samples.

    Args:
        truth: (N, R, 3) metres, the regions' vertices, those of the lips first; samples: (S, M, R, 3); a few frames at
            the end may be missing from either.
        template: (R, 3).
        lips: how many of the R are of the lips.
        waveform: (T,); rate: Hz.
    """
    frames = min(len(truth), samples.shape[1])
    truth, samples = np.asarray(truth[:frames], float), samples[:, :frames]
    if not np.isfinite(samples).all():
        return dict.fromkeys(MEASURES, np.nan)
    rows = []
    for sample in samples:
        try:
            beats = beat_consistency(sample[:, :lips], waveform, rate)
        except ValueError:
            beats = np.nan
        upper = upper_face_dynamics_deviation(truth[:, lips:], sample[:, lips:], template[lips:])
        rows.append((1e3 * lip_vertex_error(truth[:, :lips], sample[:, :lips]), 1e3 * upper, beats))
    means = [column[np.isfinite(column)].mean() if np.isfinite(column).any() else np.nan for column in np.array(rows).T]
    return dict(zip(MEASURES, map(float, means), strict=True))


def _loudness(waveform: NDArray, rate: int, frame_rate: int) -> NDArray[np.float64]:
    """Logarithm of the energy in each frame; silence is 60 dB below the loudest frame at least."""
    bounds = np.arange(0, len(waveform) * frame_rate // rate + 1) * rate // frame_rate
    energy = np.diff(np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])[bounds])
    return np.log10(np.maximum(energy, 1e-6 * max(energy.max(initial=0), 1e-12)))


def _peaks(curve: NDArray) -> NDArray[np.int64]:
    return find_peaks(curve, prominence=max(_PROMINENCE * curve.std(), 1e-12))[0]
