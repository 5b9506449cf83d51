"""Samples of a few validation clips while a model is trained, measured against the real ones."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from said.agreement import jitter_ratio, lip_vertex_error, truth_correlation
from said.diffusion import guided, sample
from said.guidance import GuidedDenoiser
from said.intervals import Moments
from said.metrics import frechet_distance
from said.model import SAiD
from said.seeds import derive_seed
from said.training.windows import Clip

SAMPLER, STEPS = "dpmsolver++", 25
CORRELATED = ("jawOpen", "mouthPucker")


def preview(
    model: SAiD,
    encode: Callable[[Clip], Tensor],
    clips: Sequence[Clip],
    std: NDArray,
    seed: int,
    *,
    guidance: float,
    clip: str = "symmetric",
) -> dict[str, float]:
    """Draw one sample of each clip, from the same noise every time, and measure it.

    Args:
        model: in evaluation mode.
        encode: gives a clip's features (N, D).
        clips: with their real coefficients, and `lips` where the error of the lips is wanted.
        std: (32,) of each coefficient over the training set.
        seed: of the noise.
        guidance, clip: see `said.diffusion.sample`.

    Returns:
        measures by name: sample_<blendshape>, correlation with the real ones; sample_jitter, rms of second differences
        over the real ones'; sample_fd, see `frame_distance`; sample_lip_error_mm, the mean over frames of the largest
        distance of any lip landmark from its place.
    """
    predictor = GuidedDenoiser if model.config.alignment_schedule == "constant" else guided
    drawn = {}
    for one in clips:
        generator = torch.Generator().manual_seed(derive_seed(seed, "preview", one.name))
        values = sample(
            model,
            encode(one)[None],
            steps=min(STEPS, model.config.diffusion_steps),
            guidance=guidance,
            generator=generator,
            sampler=SAMPLER,
            clip=clip,
            predictor=predictor,
        )
        drawn[one.name] = values.cpu().numpy()
    real = {one.name: one.coefficients for one in clips}
    correlation = truth_correlation(drawn, real)
    found = {f"sample_{name}": correlation[name] for name in CORRELATED}
    found["sample_jitter"] = jitter_ratio(drawn, real)
    found["sample_fd"] = frame_distance(list(real.values()), [values[0] for values in drawn.values()], std)
    with_lips = [(one.coefficients, drawn[one.name][0], one.lips) for one in clips if one.lips is not None]
    if with_lips:
        found["sample_lip_error_mm"] = float(np.mean([1e3 * _lip_error(*each) for each in with_lips]))
    return found


def frame_distance(real: Sequence[NDArray], drawn: Sequence[NDArray], std: NDArray) -> float:
    """Frechet distance between the frames of two sets of clips, each frame its coefficients and their change.

    A few clips have too few windows for the 64 dimensions of the feature extractor, which is trained beside the model
    and not before it; so this is no FD of the tables, but falls with it.

    Args:
        real, drawn: clips (N, 32) each, N >= 2.
        std: (32,) by which coefficients are divided.
    """

    def gaussian(clips: Sequence[NDArray]) -> tuple[NDArray, NDArray]:
        frames = [np.hstack([clip[1:], np.diff(clip, axis=0)]) for clip in clips]
        return Moments.of(np.concatenate(frames) / np.tile(std, 2)).gaussian()

    return frechet_distance(*gaussian(real), *gaussian(drawn))


def _lip_error(real: NDArray, drawn: NDArray, lips: NDArray) -> float:
    """Between coefficients (N, 32), in the unit of the displacements `lips` (32, L, 3)."""
    return lip_vertex_error(*(np.einsum("nk,klx->nlx", values, lips) for values in (real, drawn)))
