"""Denoising error by noise level: what the training loss does not show.

A loss weighs all timesteps alike and may fall while the model is of no use where sampling begins, at high noise. So the
error of the clean coefficients is measured in bands of the signal-to-noise ratio (SNR), against two estimates that know
no speech: the mean of the data, and the linear estimate that is optimal at each noise level (Wiener's).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.fft import dct
from torch import Tensor

from said.diffusion import alphas_cumprod
from said.model import SAiD
from said.prediction import clean_estimate

BANDS = (35, 25, 15, 5, -5, -15, -25, -35)
"""Middles of the bands, in dB. Each is 10 dB wide; the first has all above it as well, what is below the last, at the
paper's schedule 7 timesteps of 1000, is left out: there the noise's error is divided by less than .01."""

Key = tuple[str, int]


def bands(alphas: Tensor) -> dict[int, Tensor]:
    """Timesteps (T,) of each band that has some.

    Args:
        alphas: (diffusion steps,) share of the signal's variance that remains.
    """
    decibels = 10 * torch.log10(alphas.double() / (1 - alphas.double()))
    upper = {band: band + 5.0 for band in BANDS} | {BANDS[0]: torch.inf}
    found = {band: torch.where((decibels >= band - 5) & (decibels < upper[band]))[0] for band in BANDS}
    return {band: timesteps for band, timesteps in found.items() if len(timesteps)}


@dataclass(frozen=True)
class Motion:
    """Second-order statistics of windows of n frames, over their frequencies.

    Attributes:
        mean: (32,) over windows and frames.
        spectrum: (n, 32, 32) second moments of the cosine transform (DCT-II, orthonormal) over time, about the mean.
    """

    mean: Float[np.ndarray, "32"]
    spectrum: Float[np.ndarray, "n 32 32"]

    @classmethod
    def of(cls, windows: NDArray) -> "Motion":
        """Of windows (W, n, 32)."""
        windows = np.asarray(windows, dtype=np.float64)
        mean = windows.mean((0, 1))
        transformed = _transform(windows - mean, 1)
        return cls(mean, np.einsum("wki,wkj->kij", transformed, transformed, optimize=True) / len(windows))

    def linear_estimate(self, noisy: NDArray, alpha: float) -> NDArray[np.float64]:
        """The linear estimate of the clean window (n, 32) of least squared error, frequencies taken as independent.

        mean + sqrt(a) C (a C + (1 - a) I)^-1 (noisy - sqrt(a) mean), with C the second moments of each frequency.

        Args:
            noisy: (n, 32), sqrt(a) clean + sqrt(1 - a) standard normal noise.
            alpha: a, in (0, 1).
        """
        transformed = _transform(noisy - np.sqrt(alpha) * self.mean, 0)
        total = alpha * self.spectrum + (1 - alpha) * np.eye(len(self.mean))
        estimate = np.sqrt(alpha) * (self.spectrum @ np.linalg.solve(total, transformed[..., None]))[..., 0]
        return self.mean + _transform(estimate, 0, kind=3)


class Probe:
    """Clean windows, each noised once in every band, alike every time.

    Args:
        model: its prediction and its scale of coefficients; its weights may change.
        windows: (C, n, 32) coefficients in [0, 1].
        motion: statistics of training windows of n frames, in the space of the diffusion, for the references.
        seed: of the noise.
    """

    def __init__(self, model: SAiD, windows: Float[Tensor, "C n 32"], motion: Motion, seed: int):
        self.model = model
        generator = torch.Generator().manual_seed(seed)
        self._alphas = alphas_cumprod(model.config)
        self._scale = model.coefficient_scale.cpu()
        self._clean = model.to_diffusion(windows.to(model.coefficient_scale.device)).cpu()
        self._timesteps: dict[int, Tensor] = {}
        self._noisy: dict[int, Tensor] = {}
        count = len(windows)
        for band, timesteps in bands(self._alphas).items():
            # Spread over the band, so that a few windows stand for all of it.
            self._timesteps[band] = timesteps[(torch.arange(count) * 2 + 1) * len(timesteps) // (2 * count)]
            alpha = self._alpha(band)
            noise = torch.randn(self._clean.shape, generator=generator)
            self._noisy[band] = alpha.sqrt() * self._clean + (1 - alpha).sqrt() * noise
        self.references = self._references(motion)

    @torch.no_grad()
    def measure(self, audio: Iterable[Tensor]) -> dict[str, float]:
        """Root mean squared errors of the clean coefficients, for the history of a training.

        Args:
            audio: features (B, n, D) of the windows, in their order, in batches of any size.

        Returns:
            error/<band>dB of the model; error_constant/<band>dB its constant part, that of each coefficient's mean over
            the window; error_linear/<band>dB of the linear estimate; error_mean of the data's mean.
        """
        found: dict[Key, list[Tensor]] = {}
        first = 0
        for features in audio:
            rows = slice(first, first + len(features))
            first += len(features)
            for band in self._timesteps:
                noisy, timesteps = (values[band][rows].to(features.device) for values in (self._noisy, self._timesteps))
                predicted = self.model.denoiser(noisy, timesteps, features).float().cpu()
                prediction, alpha = self.model.config.prediction, self._alpha(band)[rows]
                estimate = clean_estimate(prediction, self._noisy[band][rows], predicted, alpha)
                error = self._scale * (estimate - self._clean[rows])
                found.setdefault(("error", band), []).append(error.square().mean((1, 2)))
                found.setdefault(("error_constant", band), []).append(error.mean(1).square().mean(1))
        means = {f"{name}/{band}dB": float(torch.cat(v).mean().sqrt()) for (name, band), v in found.items()}
        return means | self.references

    def _references(self, motion: Motion) -> dict[str, float]:
        scale, clean = self._scale.double().numpy(), self._clean.double().numpy()
        references = {"error_mean": _rms(scale * (clean - motion.mean))}
        for band, noisy in self._noisy.items():
            pairs = zip(noisy.double().numpy(), self._alpha(band).flatten().tolist(), strict=True)
            estimates = np.stack([motion.linear_estimate(one, alpha) for one, alpha in pairs])
            references[f"error_linear/{band}dB"] = _rms(scale * (clean - estimates))
        return references

    def _alpha(self, band: int) -> Tensor:
        return self._alphas[self._timesteps[band]][:, None, None]


def worse(measures: Mapping[str, float]) -> str | None:
    """Where a model loses against a reference, in words; None: nowhere.

    Args:
        measures: of `Probe.measure`.
    """
    lines = []
    for reference, name in (("error_mean", "the mean of the data"), ("error_linear", "the optimal linear estimate")):
        lost = [
            f"{band} dB ({error:.3f} against {limit:.3f})"
            for band in BANDS
            if (error := measures.get(f"error/{band}dB")) is not None
            and error > (limit := measures.get(f"{reference}/{band}dB", measures["error_mean"]))
        ]
        if lost:
            lines.append(f"{name} at an SNR of {', '.join(lost)}")
    return " and than ".join(lines) or None


def _transform(values: NDArray, axis: int, kind: int = 2) -> NDArray[np.float64]:
    """Orthonormal cosine transform along an axis; kind 3 is the inverse of kind 2."""
    return cast(NDArray[np.float64], dct(values, type=kind, axis=axis, norm="ortho"))


def _rms(error: NDArray) -> float:
    return float(np.sqrt(np.square(error).mean()))
