"""Measures of a method's motion that the paper does not report; they have a table beside the paper's.

Lip vertex error and upper-face dynamics deviation come from the mesh-based methods of Table 1, beat consistency from
the literature on dance and gesture.
"""

from collections.abc import Mapping

import numpy as np
import trimesh
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from said.agreement import lip_vertex_error
from said.intervals import jackknife_interval
from said.landmarks import LIPS, MOUTH_CORNERS, UPPER_FACE
from said.meshes import nearest_source

MEASURES = ("lip_vertex_error_mm", "upper_face_dynamics_mm", "beat_consistency")
_RANGES = {"lip_vertex_error_mm": (0, np.inf), "beat_consistency": (0, 1)}

_LIP_REACH = 0.2  # how far the lips extend around their landmarks, as a share of the mouth's width
_SMOOTHING = 2.0  # standard deviation, in frames, of the filter before the search for extrema
_PROMINENCE = 0.25  # of an extremum, in standard deviations of the curve
_TOLERANCE = 3.0  # sigma of Li et al. 2021, in frames at 60 per second


def face_regions(template: trimesh.Trimesh, landmarks: NDArray, skin: NDArray) -> tuple[NDArray, NDArray]:
    """Vertices of the lips and of the upper face: those to which, along the surface, one of their landmarks is nearest.

    Args:
        template: V vertices.
        landmarks: (68,) vertex indices, iBUG.
        skin: vertex indices of the face, without eyeballs and cavities.

    Returns:
        two sorted arrays of vertex indices, of the lips and of the upper face.
    """
    vertices = np.asarray(template.vertices)
    distance, nearest = nearest_source(vertices, np.asarray(template.faces), landmarks)
    mouth_width = np.linalg.norm(np.subtract(*vertices[landmarks[list(MOUTH_CORNERS)]]))
    on_skin = np.zeros(len(vertices), bool)
    on_skin[skin] = True
    lips = on_skin & np.isin(nearest, landmarks[LIPS]) & (distance <= _LIP_REACH * mouth_width)
    upper = on_skin & np.isin(nearest, landmarks[UPPER_FACE])
    return np.flatnonzero(lips), np.flatnonzero(upper)


def upper_face_dynamics_deviation(truth: ArrayLike, sample: ArrayLike, template: ArrayLike) -> float:
    """How much less the upper face varies in time than in truth (Xing et al. 2023, CodeTalker).

    The standard deviation over time of each vertex's distance from the template, that of the truth less that of the
    sample, averaged over vertices: positive where the sample moves less.

    Args:
        truth, sample: (N, U, 3) vertices of the upper face.
        template: (U, 3).

    Returns:
        in the vertices' unit.
    """
    true, sampled = (np.linalg.norm(np.subtract(motion, template), axis=2).std(0) for motion in (truth, sample))
    return float((true - sampled).mean())


def beat_consistency(lips: ArrayLike, waveform: ArrayLike, rate: int, frame_rate: int = 60) -> float:
    """How close the beats of the motion are to those of the speech (Li et al. 2021, AI Choreographer, Eq. 6).

    The mean over the motion's beats of exp(-t^2 / 2 sigma^2), with t the time to the nearest beat of the speech and
    sigma 3 frames. Beats of the motion are the minima of the lips' mean speed, as those of the dance are there. Beats
    of the speech take the place of those of the music: they are the maxima of its loudness, the nuclei of syllables.

    Args:
        lips: (N, L, 3) lip vertices, in any unit.
        waveform: (T,).
        rate: its sample rate in Hz.
        frame_rate: of the lips, in frames per second.

    Returns:
        in [0, 1].

    Raises:
        ValueError: the lips or the speech have no beat.
    """
    speed = np.linalg.norm(np.diff(lips, axis=0), axis=2).mean(1)
    motion = peaks(-gaussian_filter1d(speed, _SMOOTHING)) + 0.5  # between two frames
    speech = peaks(gaussian_filter1d(loudness(np.asarray(waveform), rate, frame_rate), _SMOOTHING))
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
        each of `MEASURES` -> its mean, or None where no clip has a value; `<measure>_interval` -> [low, high], or None
        where fewer than two clips have a value; notes: measure -> how many clips have none.
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
    """The `MEASURES` of a clip, as means over its samples; NaN where there is no value.

    Args:
        truth: (N, R, 3) metres, vertices of the regions, those of the lips first.
        samples: (S, M, R, 3) metres; M and N may differ, by a few frames at the end.
        template: (R, 3) metres.
        lips: how many of the R vertices belong to the lips.
        waveform: (T,).
        rate: its sample rate in Hz.
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


def loudness(waveform: NDArray, rate: int, frame_rate: int) -> NDArray[np.float64]:
    """Logarithm to base 10 of the energy in each frame; none counts as more than 60 dB below the loudest."""
    bounds = np.arange(0, len(waveform) * frame_rate // rate + 1) * rate // frame_rate
    energy = np.diff(np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])[bounds])
    return np.log10(np.maximum(energy, 1e-6 * max(energy.max(initial=0), 1e-12)))


def peaks(curve: NDArray) -> NDArray[np.int64]:
    """Where a curve (N,) has maxima that stand out by a quarter of its standard deviation."""
    return find_peaks(curve, prominence=max(_PROMINENCE * curve.std(), 1e-12))[0]
