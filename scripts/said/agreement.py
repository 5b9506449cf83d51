"""How far samples agree with the truth, frame by frame, by measures that need nothing but the two."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from said.arkit import SPEECH_BLENDSHAPES


def truth_correlation(generated: Mapping[str, NDArray], truth: Mapping[str, NDArray]) -> dict[str, float]:
    """Pearson correlation of each blendshape with the truth: over the frames of all clips, mean over repeats.

    Args:
        generated: name of each clip -> (S, N, 32).
        truth: the same names -> (N, 32); lengths may differ by a few frames, the common ones count.

    Returns:
        blendshape -> correlation in [-1, 1]; 0 where samples or truth do not move.
    """
    true, repeats = _common_frames(generated, truth)
    correlations = [[_pearson(one[:, k], true[:, k]) for k in range(true.shape[1])] for one in repeats]
    return dict(zip(SPEECH_BLENDSHAPES, np.mean(correlations, axis=0).tolist(), strict=True))


def jitter_ratio(generated: Mapping[str, NDArray], truth: Mapping[str, NDArray]) -> float:
    """Root mean square of the second differences of the samples, divided by the truth's; 1 moves as smoothly."""
    names = sorted(truth)
    sampled = np.concatenate([np.diff(generated[name].astype(float), 2, axis=1).reshape(-1) for name in names])
    true = np.concatenate([np.diff(truth[name].astype(float), 2, axis=0).reshape(-1) for name in names])
    return float(np.sqrt(np.square(sampled).mean() / max(np.square(true).mean(), 1e-30)))


def lip_vertex_error(truth: ArrayLike, sample: ArrayLike) -> float:
    """Largest distance of any lip vertex from its true place, averaged over frames (Richard et al. 2021, MeshTalk).

    Args:
        truth, sample: (N, L, 3) lip vertices.

    Returns:
        in the vertices' unit.
    """
    return float(np.linalg.norm(np.subtract(sample, truth), axis=2).max(1).mean())


def check_clips(real: Mapping, generated: Mapping) -> None:
    """Refuse samples (S, N, K) that are not of the same clips, by name, as the real sequences (N, K).

    Raises:
        ValueError: names the clips that differ, or one whose samples have another shape.
    """
    if real.keys() != generated.keys() or not real:
        missing, extra = sorted(real.keys() - generated.keys()), sorted(generated.keys() - real.keys())
        raise ValueError(f"the method lacks the clips {missing[:5]} and has the unknown {extra[:5]}")
    for name, samples in generated.items():
        if samples.ndim != 3 or len(samples) == 0 or samples.shape[2] != real[name].shape[1]:
            raise ValueError(f"{name}: samples are {samples.shape}, expected (S, N, {real[name].shape[1]})")


def _common_frames(generated: Mapping, truth: Mapping) -> tuple[NDArray, list[NDArray]]:
    """The truth's frames of all clips (F, 32), and the same of each repeat that every clip has."""
    check_clips(truth, generated)
    names = sorted(truth)
    lengths = {name: min(len(truth[name]), generated[name].shape[1]) for name in names}
    true = np.concatenate([np.asarray(truth[name], dtype=np.float64)[: lengths[name]] for name in names])
    count = min(len(generated[name]) for name in names)
    repeats = [[generated[name][s, : lengths[name]].astype(float) for name in names] for s in range(count)]
    return true, [np.concatenate(clips) for clips in repeats]


def _pearson(first: NDArray, second: NDArray) -> float:
    first, second = first - first.mean(), second - second.mean()
    scale = np.sqrt(np.square(first).sum() * np.square(second).sum())
    return float(first @ second / scale) if scale > 1e-12 else 0.0
