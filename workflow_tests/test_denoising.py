"""The denoising error by noise level, against closed forms."""

import numpy as np
import pytest
import torch
from helpers import Oracle, small

from said.denoising import BANDS, Motion, Probe, bands, worse
from said.diffusion import alphas_cumprod
from said.model import ModelConfig
from said.prediction import PREDICTIONS, clean_estimate, snr_weight, target


def motion(windows=400, frames=24, seed=0):
    """Windows whose coefficients share a slow course of random size, about different means."""
    rng = np.random.default_rng(seed)
    slow = np.cos(np.pi * (np.arange(frames) + 0.5) / frames)
    size = rng.normal(size=(windows, 1, 1))
    return 0.3 + 0.01 * np.arange(32) + 0.1 * slow[:, None] * size + 0.02 * rng.normal(size=(windows, frames, 32))


def probe(model, seed=0):
    windows = motion()
    held_out = torch.from_numpy(motion(12, seed=1)).float()
    scaled = windows / model.coefficient_scale.numpy()
    return Probe(model, held_out, Motion.of(scaled), seed), held_out


def test_bands_hold_the_timesteps_of_their_noise():
    alphas = alphas_cumprod(ModelConfig())
    found = bands(alphas)
    assert tuple(found) == BANDS and sum(map(len, found.values())) == 993
    for band, timesteps in found.items():
        decibels = 10 * torch.log10(alphas[timesteps] / (1 - alphas[timesteps]))
        assert decibels.min() >= band - 5.001 and (decibels.max() <= band + 5.001 or band == BANDS[0])


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_estimate_inverts_the_target(prediction):
    clean, noise, alpha = torch.rand(3, 9, 32), torch.randn(3, 9, 32), torch.tensor([0.9, 0.5, 0.01])[:, None, None]
    noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
    exact = target(prediction, clean, noise, alpha)
    torch.testing.assert_close(clean_estimate(prediction, noisy, exact, alpha), clean, atol=2e-5, rtol=0)
    # min-SNR: whatever is predicted, the error of x0 it amounts to weighs min(SNR, gamma).
    error = 1e-2 * torch.randn(3, 9, 32)
    of_clean = clean_estimate(prediction, noisy, exact + error, alpha) - clean
    weighed = snr_weight(prediction, alpha, 5.0) * error.square()
    torch.testing.assert_close(weighed, snr_weight("x0", alpha, 5.0) * of_clean.square(), atol=1e-6, rtol=1e-3)
    assert snr_weight("x0", alpha, 5.0).flatten().tolist() == pytest.approx([5.0, 1.0, 1 / 99])


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("scaled", [False, True])
def test_a_perfect_model_has_no_error_and_a_constant_one_nothing_else(prediction, scaled):
    model = small(prediction=prediction, scaled=scaled)
    if scaled:
        model.coefficient_scale.copy_(torch.linspace(0.05, 0.4, 32))
    measured, clean = probe(model)
    model.denoiser = Oracle(model, model.to_diffusion(clean))
    found = measured.measure([torch.zeros(12, 24, 32)])
    assert all(found[f"error/{band}dB"] < 2e-5 / 10 ** (min(band, 0) / 20) for band in BANDS)
    assert worse(found) is None
    model.denoiser = Oracle(model, model.to_diffusion(clean + 0.07))
    found = measured.measure([torch.zeros(12, 24, 32)])
    for band in BANDS[3:]:
        # An error of the noise that is constant is one of x0, divided by sqrt(SNR) as the oracle's noise is.
        assert found[f"error_constant/{band}dB"] == pytest.approx(0.07, rel=0.01)
        assert found[f"error/{band}dB"] == pytest.approx(0.07, rel=0.01)
    assert "the optimal linear estimate at an SNR of 35 dB" in worse(found)


def test_the_references_are_the_mean_and_wieners():
    """White motion: the estimate keeps a s^2 / (a s^2 + 1 - a) of each deviation, and its error is known."""
    rng = np.random.default_rng(0)
    windows = 0.5 + 0.1 * rng.normal(size=(2000, 8, 32))
    statistics = Motion.of(windows)
    np.testing.assert_allclose(statistics.mean, 0.5, atol=3e-3)
    for alpha in (0.99, 0.5, 0.02):
        clean = 0.5 + 0.1 * rng.normal(size=(200, 8, 32))
        noisy = np.sqrt(alpha) * clean + np.sqrt(1 - alpha) * rng.normal(size=clean.shape)
        kept = np.sqrt(alpha) * 0.01 / (alpha * 0.01 + 1 - alpha)
        estimates = np.stack([statistics.linear_estimate(one, alpha) for one in noisy])
        np.testing.assert_allclose(estimates, 0.5 + kept * (noisy - np.sqrt(alpha) * 0.5), atol=0.03)
        error = np.sqrt(0.01 * (1 - alpha) / (alpha * 0.01 + 1 - alpha))
        assert np.sqrt(np.square(estimates - clean).mean()) == pytest.approx(error, rel=0.02)


def test_the_linear_estimate_is_better_where_motion_is_slow_and_shared():
    found = probe(small())[0].references
    errors = [found[f"error_linear/{band}dB"] for band in BANDS]
    assert errors[:5] == sorted(errors[:5]) and errors[-1] < found["error_mean"] * 1.1
    # At 5 dB each value alone is drowned, the course that 24 frames of 32 coefficients share is not.
    assert found["error_linear/5dB"] < 0.7 * found["error_mean"]


def test_a_probe_repeats_itself_whatever_the_batches():
    model = small()
    audio = torch.randn(12, 24, 32, generator=torch.Generator().manual_seed(0))
    first, again = probe(model)[0].measure([audio]), probe(model)[0].measure([audio[:5], audio[5:]])
    assert first == pytest.approx(again, rel=1e-4) and first != probe(model, seed=1)[0].measure([audio])
    assert "the mean of the data at an SNR of" in worse(first)
