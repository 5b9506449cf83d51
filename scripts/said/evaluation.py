"""Evaluation of a method (Section 10): latents of 120-frame windows, and what the metrics make of them.

A method is anything that gave coefficients for the test clips; nothing here knows how.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

from said.arkit import SPEECH_BLENDSHAPES
from said.extractor import LATENT, WINDOW, BlendshapeVAE, edge_padded
from said.metrics import frechet_distance, multimodality, wind


def windows(coefficients: NDArray, stride: int = 1) -> NDArray[np.float32]:
    """All windows of 120 frames of a clip.

    A clip shorter than a window gives one window, in which its last frame is held.

    Args:
        coefficients: (N, 32).
        stride: frames between the beginnings of windows.

    Returns:
        (W, 120, 32), W = 1 + (N - 120) // stride.
    """
    if stride < 1:
        raise ValueError(f"stride must be at least 1, not {stride}")
    padded = edge_padded(coefficients)
    return np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=0)[::stride].swapaxes(1, 2)


@torch.no_grad()
def latents(
    vae: BlendshapeVAE, sequences: Iterable[NDArray], stride: int = 1, drop_last: int = 0, batch_size: int = 1024
) -> list[NDArray[np.float32]]:
    """Latent means of the windows of each sequence.

    Args:
        vae: in evaluation mode.
        sequences: each (N, 32).
        stride: frames between windows.
        drop_last: windows left out at the end of each sequence, of which at least one stays.
        batch_size: windows encoded at once.

    Returns:
        for each sequence (W, 64).
    """
    device = next(vae.parameters()).device
    result = []
    for sequence in sequences:
        cut = windows(sequence, stride)
        cut = cut[: max(1, len(cut) - drop_last)]
        parts = [
            vae.encode(torch.from_numpy(cut[first : first + batch_size].copy()).to(device))[0]
            for first in range(0, len(cut), batch_size)
        ]
        result.append(torch.cat(parts).cpu().numpy())
    return result


def evaluate_method(
    vae: BlendshapeVAE,
    real: Mapping[str, NDArray],
    generated: Mapping[str, NDArray],
    settings: dict,
    seed: int,
) -> dict:
    """One row of Table 1 or 2, but for the lip-sync.

    Args:
        vae: the feature extractor, in evaluation mode.
        real: name of each test clip -> (N, 32).
        generated: the same names -> (S, N, 32), S samples.
        settings: the section `evaluation` of config.yaml.
        seed: of the Gaussian mixtures and of the random halves of the samples.

    Returns:
        fd, wind_mean, wind_std, multimodality; windows_real, windows_generated: how many latents they rest on; and
        notes, a list of what makes a number doubtful.

    Raises:
        ValueError: the clips of the two differ, or samples are not finite.
    """
    _check(real, generated)
    names = sorted(real)
    stride = settings["stride"]
    real_latents = np.concatenate(latents(vae, (real[name] for name in names), stride, settings["drop_last_windows"]))
    per_clip = [np.stack(latents(vae, generated[name], stride)) for name in names]  # each (S, W, 64)
    generated_latents = np.concatenate([clip.reshape(-1, clip.shape[-1]) for clip in per_clip])
    notes = [
        f"{len(values)} windows of {kind} clips for {LATENT} dimensions: the covariance is singular"
        for kind, values in (("real", real_latents), ("generated", generated_latents))
        if len(values) <= LATENT
    ]
    winds = wind_repeats(real_latents, generated_latents, settings["wind_components"], settings["wind_repeats"], seed)
    return {
        "fd": frechet_distance(*gaussian(real_latents), *gaussian(generated_latents)),
        "wind_mean": float(np.mean(winds)),
        "wind_std": float(np.std(winds)),
        "multimodality": mean_multimodality(per_clip, settings["multimodality"], seed),
        "windows_real": len(real_latents),
        "windows_generated": len(generated_latents),
        "notes": notes,
    }


def gaussian(values: NDArray) -> tuple[NDArray, NDArray]:
    """Mean (D,) and covariance (D, D) of values (n, D) in double precision; one value has covariance 0."""
    values = np.asarray(values, dtype=np.float64)
    centred = values - values.mean(0)
    return values.mean(0), centred.T @ centred / max(1, len(values) - 1)


def wind_repeats(real: NDArray, generated: NDArray, components: int, repeats: int, seed: int) -> NDArray[np.float64]:
    """WInD between latents (n, 64) and (m, 64), (repeats,) times, each with mixtures of its own seed."""
    components = min(components, len(real), len(generated))
    values = []
    for repeat in range(repeats):
        # Each set's mixture starts from its own draw: equal sets give not 0 but the spread of the fit.
        first, second = (int(value) for value in np.random.default_rng((seed, repeat)).integers(2**31, size=2))
        mixture1 = GaussianMixture(components, random_state=first).fit(real)
        mixture2 = GaussianMixture(components, random_state=second).fit(generated)
        values.append(wind(mixture1, mixture2))
    return np.array(values)


def mean_multimodality(per_clip: Sequence[NDArray], pairing: str, seed: int) -> float:
    """Multimodality averaged over clips.

    Args:
        per_clip: latents (S, W, 64) of each clip's samples; window by window, samples are paired.
        pairing: random: two disjoint random halves of the samples, paired | halves: first half against last half.

    Returns:
        the mean over clips; 0 where there is one sample per clip.
    """
    if pairing not in ("random", "halves"):
        raise ValueError(f"multimodality must be random or halves, not {pairing!r}")
    values = []
    for number, clip in enumerate(per_clip):
        samples, half = len(clip), len(clip) // 2
        order = np.arange(samples)
        if pairing == "random":
            order = np.random.default_rng((seed, number)).permutation(samples)
        first, second = clip[order[:half]], clip[order[samples - half :]]
        values.append(multimodality(first.reshape(-1, clip.shape[-1]), second.reshape(-1, clip.shape[-1])))
    return float(np.mean(values))


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
    sampled = np.concatenate([np.diff(generated[name], 2, axis=1).reshape(-1) for name in names])
    true = np.concatenate([np.diff(truth[name], 2, axis=0).reshape(-1) for name in names])
    return float(np.sqrt(np.square(sampled).mean() / max(np.square(true).mean(), 1e-30)))


def _common_frames(generated: Mapping, truth: Mapping) -> tuple[NDArray, list[NDArray]]:
    """The truth's frames of all clips (F, 32), and the same of each repeat that every clip has."""
    _check(truth, generated, same_length=False)
    names = sorted(truth)
    lengths = {name: min(len(truth[name]), generated[name].shape[1]) for name in names}
    true = np.concatenate([np.asarray(truth[name], dtype=np.float64)[: lengths[name]] for name in names])
    count = min(len(generated[name]) for name in names)
    return true, [np.concatenate([generated[name][s, : lengths[name]] for name in names]) for s in range(count)]


def _pearson(first: NDArray, second: NDArray) -> float:
    first, second = first - first.mean(), second - second.mean()
    scale = np.sqrt(np.square(first).sum() * np.square(second).sum())
    return float(first @ second / scale) if scale > 1e-12 else 0.0


def _check(real: Mapping, generated: Mapping, same_length: bool = True) -> None:
    if real.keys() != generated.keys() or not real:
        missing, extra = sorted(real.keys() - generated.keys()), sorted(generated.keys() - real.keys())
        raise ValueError(f"the method lacks the clips {missing[:5]} and has the unknown {extra[:5]}")
    for name, samples in generated.items():
        if samples.ndim != 3 or len(samples) == 0 or samples.shape[2] != real[name].shape[1]:
            raise ValueError(f"{name}: samples are {samples.shape}, expected (S, N, {real[name].shape[1]})")
        if same_length and samples.shape[1] != len(real[name]):
            raise ValueError(f"{name}: samples have {samples.shape[1]} frames, the clip {len(real[name])}")
        if not np.isfinite(samples).all():
            raise ValueError(f"{name}: samples hold values that are not finite")
