"""What the denoiser predicts: the noise (the paper), v, or the clean coefficients; and how noise levels are weighed.

With `alpha` the share of the signal's variance that remains, a noisy sample is sqrt(alpha) x0 + sqrt(1 - alpha) noise,
and its signal-to-noise ratio is alpha / (1 - alpha).
"""

from typing import Literal, get_args

from torch import Tensor

Prediction = Literal["epsilon", "v", "x0"]
"""epsilon: the noise; v: sqrt(alpha) noise - sqrt(1 - alpha) x0 (Salimans & Ho 2022); x0: the clean coefficients."""
PREDICTIONS: tuple[str, ...] = get_args(Prediction)


def target(prediction: str, clean: Tensor, noise: Tensor, alpha: Tensor) -> Tensor:
    """What the denoiser ought to predict, (B, N, 32).

    Args:
        prediction: one of `PREDICTIONS`.
        clean, noise: (B, N, 32), in the space of the diffusion.
        alpha: (B, 1, 1).
    """
    if prediction == "epsilon":
        return noise
    return clean if prediction == "x0" else alpha.sqrt() * noise - (1 - alpha).sqrt() * clean


def clean_estimate(prediction: str, noisy: Tensor, predicted: Tensor, alpha: Tensor) -> Tensor:
    """The clean values (B, N, 32) that a prediction amounts to; of the noise, its error divided by sqrt(SNR).

    The arguments are those of `target`, `noisy` is what the denoiser saw.
    """
    if prediction == "x0":
        return predicted
    if prediction == "epsilon":
        return (noisy - (1 - alpha).sqrt() * predicted) / alpha.sqrt()
    return alpha.sqrt() * noisy - (1 - alpha).sqrt() * predicted


def snr_weight(prediction: str, alpha: Tensor, gamma: float) -> Tensor:
    """Weight of a squared error by its noise level, min-SNR (Hang et al. 2023): that of x0's is min(SNR, gamma).

    Args:
        prediction: whose error it is: that of the noise is SNR times that of x0, that of v SNR + 1 times.
        alpha: any shape, in (0, 1).
        gamma: above 0.
    """
    snr = alpha / (1 - alpha)
    weight = snr.clamp(max=gamma)
    return weight if prediction == "x0" else weight / (snr if prediction == "epsilon" else snr + 1)
