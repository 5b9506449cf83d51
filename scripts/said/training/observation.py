"""What is measured of SAiD while it is trained: its denoising error, and samples of validation clips.

It changes no weights. The training therefore finds this module by its name, so that an edit of a measure trains nothing
anew; where `selection` goes by a measure, the rule counts this code all the same.
"""

from collections.abc import Callable

import torch
from numpy.typing import NDArray
from torch import Tensor

from said.compute import Compute
from said.denoising import Motion, Probe, worse
from said.model import SAiD
from said.training.previews import preview
from said.training.windows import Batch, Clip, SaidSettings, Windows

_REFERENCE_STRIDE = 30
"""Frames between the training windows that the references of the denoising error are computed from."""


class Observer:
    """Measures a model after a validation, alike every time.

    Args:
        model: its weights may change.
        train, validation: windows of the two splits: those of the references, and those that are noised.
        settings: of the training.
        seed: of the noise.
        hear: gives the features (B, N, D) of windows.
        encode: gives the features (N, D) of a clip.
        std: (32,) of each coefficient over the training set.
        compute: arithmetic of the model.
        tell: gets a line where the model loses against a reference.
    """

    def __init__(
        self,
        model: SAiD,
        train: Windows,
        validation: Windows,
        settings: SaidSettings,
        seed: int,
        *,
        hear: Callable[[Batch], Tensor],
        encode: Callable[[Clip], Tensor],
        std: NDArray,
        compute: Compute,
        tell: Callable[[str], None],
    ):
        self.model, self.settings, self.seed, self.std = model, settings, seed, std
        self.hear, self.encode, self.compute, self.tell = hear, encode, compute, tell
        clips, size = validation.clips, settings.batch_size
        self.windows = [
            validation.middle(range(len(clips))[first : first + size]) for first in range(0, len(clips), size)
        ]
        self.probe = _probe(model, train, validation, seed)
        self.clips = clips[:: -(-len(clips) // settings.preview_clips)]  # of all speakers

    def __call__(self, epoch: int) -> dict[str, float]:
        """Measures by name, see `said.denoising.Probe` and, where they are due, `said.training.previews`.

        Args:
            epoch: that was validated, from 1.
        """
        with self.compute.autocast():
            measures = self.probe.measure(map(self.hear, self.windows))
        if lost := worse(measures):
            self.tell(f"denoises worse than {lost}")
        if not _has_samples(self.settings, epoch):
            return measures
        guidance = self.settings.preview_guidance
        return measures | preview(self.model, self.encode, self.clips, self.std, self.seed, guidance=guidance)


def _has_samples(settings: SaidSettings, epoch: int) -> bool:
    """Whether samples are drawn after the validation of an epoch, counted from 1."""
    if not settings.preview_every:
        return False
    due = epoch % settings.validate_every == 0 and epoch // settings.validate_every % settings.preview_every == 0
    return due or epoch == settings.epochs


def _probe(model: SAiD, train: Windows, validation: Windows, seed: int) -> Probe:
    """Measures the denoising error of a model on the validation windows, beside references from the training's."""
    device = model.coefficient_scale.device
    motion = Motion.of(model.to_diffusion(torch.from_numpy(train.every(_REFERENCE_STRIDE)).to(device)).cpu().numpy())
    return Probe(model, validation.middle(range(len(validation.clips))).coefficients, motion, seed)
