"""Evaluation of a method (Section 10): latents of 120-frame windows, and what the metrics make of them.

A method is anything that gave coefficients for the test clips; nothing here knows how.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from said.agreement import check_clips
from said.extractor import LATENT, BlendshapeVAE, edge_padded
from said.intervals import Moments, jackknife_interval
from said.metrics import frechet_distance, multimodality, wind
from said.mixtures import BlockwiseGaussianMixture
from said.reasons import NoValueError
from said.settings import Settings

Pairing = Literal["random", "halves", "combinations"]
"""Which samples are paired: disjoint random halves, the halves as they are, all with all where each is of a style."""


@dataclass(frozen=True)
class EvaluationSettings(Settings):
    """The section `evaluation` of config.yaml; the methods in `style_methods` have `combinations`."""

    stride: int = 1
    drop_last_windows: int = 0
    multimodality: Pairing = "random"
    style_methods: Sequence[str] = ()
    wind_components: int = 5
    wind_repeats: int = 10


def evaluate_method(
    vae: BlendshapeVAE,
    real: Mapping[str, NDArray],
    generated: Mapping[str, NDArray],
    settings: EvaluationSettings | Mapping,
    seed: int,
    threads: int = 1,
) -> dict:
    """One row of Table 1 or 2, but for the lip-sync.

    Args:
        vae: the feature extractor, in evaluation mode.
        real: name of each test clip -> (N, 32).
        generated: the same names -> (S, M, 32), S samples; M follows the speech and may differ from N, as nothing here
            pairs frames of the two.
        settings: of the evaluation, or a mapping of them.
        seed: of the Gaussian mixtures and of the random halves of the samples.
        threads: mixtures fitted at once; changes time, not results.

    Returns:
        fd, wind_mean, wind_std, multimodality: each a number, or None where it could not be computed; fd_interval and
        multimodality_interval: 95 % intervals over clips, or None; windows_real, windows_generated: how many
        latents they rest on; notes: for fd, wind and multimodality, why there is no number or what makes it doubtful.

    Raises:
        ValueError: the clips of the two differ, or samples have another shape.
    """
    check_clips(real, generated)
    settings = EvaluationSettings.of(settings)
    names = sorted(real)
    stride = settings.stride
    clips = {
        "real": [latents(vae, real[name][None], stride, settings.drop_last_windows)[0] for name in names],
        "generated": [latents(vae, generated[name], stride) for name in names],  # each (S, W, 64)
    }
    pooled = {kind: np.concatenate([one.reshape(-1, LATENT) for one in each]) for kind, each in clips.items()}
    broken = [name for name in names if not np.isfinite(generated[name]).all()]
    notes = {}
    few = [f"{len(values)} {kind}" for kind, values in pooled.items() if len(values) <= LATENT]
    if few:
        reason = f"rests on {' and '.join(few)} windows for {LATENT} dimensions: singular covariances"
        notes |= {"fd": reason, "wind": reason}

    def attempt(metric: str, compute: Callable, *arguments: Any) -> Any:
        """What `compute` returns, or None and a note that says why it cannot."""
        try:
            if broken:
                raise NoValueError(f"samples of {_listed(broken)} hold values that are not finite")
            return compute(*arguments)
        except NoValueError as error:
            notes[metric] = str(error)
            return None

    mixtures = (settings.wind_components, settings.wind_repeats, seed, threads)
    winds = attempt("wind", wind_repeats, pooled["real"], pooled["generated"], *mixtures)
    modes = attempt("multimodality", multimodality_per_clip, clips["generated"], settings.multimodality, seed)
    moments = [[Moments.of(clip.reshape(-1, LATENT)) for clip in each] for each in clips.values()]
    fd = attempt("fd", _fd_of_clips, *moments)
    fd_interval = attempt("fd", partial(jackknife_interval, _fd_of_clips, lowest=0), *moments)
    return {
        "fd": fd,
        "wind_mean": None if winds is None else float(np.mean(winds)),
        "wind_std": None if winds is None else float(np.std(winds)),
        "multimodality": None if modes is None else float(np.mean(modes)),
        "fd_interval": fd_interval,
        "multimodality_interval": None if modes is None else jackknife_interval(np.mean, modes, lowest=0),
        "windows_real": len(pooled["real"]),
        "windows_generated": len(pooled["generated"]),
        "notes": notes,
    }


@torch.no_grad()
def latents(
    vae: BlendshapeVAE, samples: NDArray, stride: int = 1, drop_last: int = 0, batch_size: int = 1024
) -> NDArray[np.float32]:
    """Latent means of all windows of 120 frames of one clip's samples.

    A clip shorter than a window gives one window, in which its last frame is held.

    Args:
        vae: in evaluation mode.
        samples: (S, N, 32).
        stride: frames between windows.
        drop_last: windows left out at the end of each sample, of which at least one stays.
        batch_size: windows encoded at once, about.

    Returns:
        (S, W, 64).
    """
    if stride < 1:
        raise ValueError(f"stride must be at least 1, not {stride}")
    device = next(vae.parameters()).device
    padded = torch.from_numpy(np.stack([edge_padded(sample) for sample in samples]))
    part = max(1, batch_size * stride // padded.shape[1])
    encoded = [vae.encode_sliding(some.to(device), stride).cpu().numpy() for some in padded.split(part)]
    result = np.concatenate(encoded)
    return result[:, : max(1, result.shape[1] - drop_last)]


def wind_repeats(
    real: NDArray, generated: NDArray, components: int, repeats: int, seed: int, threads: int = 1
) -> NDArray[np.float64]:
    """WInD between latents (n, 64) and (m, 64), (repeats,) times, each with mixtures of its own seed.

    In double precision, whatever the latents are in: in single, how a fit ends depends on the processor.

    Raises:
        NoValueError: fewer latents than components, or a mixture that collapses.
    """
    for kind, values in (("real", real), ("generated", generated)):
        if len(values) < max(2, components):
            raise NoValueError(f"{len(values)} {kind} windows cannot be fitted by {components} Gaussians")
    real, generated = real.astype(np.float64), generated.astype(np.float64)

    def repeat(number: int) -> float:
        # Each set's mixture starts from its own draw: equal sets give not 0 but the spread of the fit.
        seeds = np.random.default_rng((seed, number)).integers(2**31, size=2)
        return wind(
            *(
                BlockwiseGaussianMixture(components, random_state=int(one)).fit(values)
                for one, values in zip(seeds, (real, generated), strict=True)
            )
        )

    # One thread per fit: with more, the order of its sums and so its last digits would change from run to run.
    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        return np.array(list(pool.map(repeat, range(repeats))))


def multimodality_per_clip(per_clip: Sequence[NDArray], pairing: str, seed: int) -> list[float]:
    """Multimodality of each clip; the metric is their mean.

    Args:
        per_clip: latents (S, W, 64) of each clip's samples; window by window, samples are paired.
        pairing: random: two disjoint random halves of the samples, paired | halves: first half against last half |
            combinations: all 2-combinations with repetition, as the paper does with one sample per speaker style:
            36 pairs of 8 samples, of which 8 are of a sample with itself.

    Returns:
        a value per clip; 0 where there is one sample.
    """
    if pairing not in get_args(Pairing):
        raise ValueError(f"multimodality must be one of {', '.join(get_args(Pairing))}, not {pairing!r}")
    values = []
    for number, clip in enumerate(per_clip):
        samples, half = len(clip), len(clip) // 2
        if pairing == "combinations":
            first, second = (list(side) for side in zip(*combinations_with_replacement(range(samples), 2), strict=True))
        else:
            order = np.arange(samples)
            if pairing == "random":
                order = np.random.default_rng((seed, number)).permutation(samples)
            first, second = order[:half], order[samples - half :]
        values.append(multimodality(*(clip[side].reshape(-1, clip.shape[-1]) for side in (first, second))))
    return values


def _fd_of_clips(real: Sequence[Moments], generated: Sequence[Moments]) -> float:
    return frechet_distance(*sum(real, Moments.none()).gaussian(), *sum(generated, Moments.none()).gaussian())


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
