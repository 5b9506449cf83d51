"""Evaluation of a method: windows, latents and the row of a table."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture

from said.evaluation import (
    EvaluationSettings,
    evaluate_method,
    latents,
    multimodality_per_clip,
    wind_repeats,
)
from said.extractor import BlendshapeVAE, load_official
from said.intervals import Moments, jackknife_interval
from said.metrics import frechet_distance, wind
from said.mixtures import BlockwiseGaussianMixture

SETTINGS = EvaluationSettings(stride=2, wind_components=2, wind_repeats=2)


@pytest.fixture(scope="module")
def vae():
    torch.manual_seed(0)
    return BlendshapeVAE().eval()


def clip(frames, seed):
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(size=(frames, 32)), axis=0) * 0.02
    return np.clip(0.3 + walk - walk.mean(0), 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def truth():
    return {f"clip{n}": clip(150 + 10 * n, n) for n in range(4)}


def encoded_one_by_one(vae, sequence, stride):
    """Latents of explicit windows, each encoded by itself."""
    cut = [sequence[start : start + 120] for start in range(0, len(sequence) - 119, stride)]
    with torch.no_grad():
        return np.concatenate([vae.encode(torch.from_numpy(window[None]))[0].numpy() for window in cut])


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_latents_are_those_of_windows_encoded_one_by_one(vae, stride):
    samples = np.stack([clip(143, 1), clip(143, 2)])
    found = latents(vae, samples, stride)
    assert found.shape == (2, 1 + 23 // stride, 64)
    for one, sample in zip(found, samples, strict=True):
        np.testing.assert_allclose(one, encoded_one_by_one(vae, sample, stride), atol=1e-5)


def test_latents_are_the_authors(official):
    golden = np.load(official / "golden" / "vae_golden.npz")
    np.testing.assert_allclose(
        latents(load_official(official / "vae.pth"), golden["x"])[:, 0], golden["mean"], rtol=1e-4, atol=1e-5
    )


def test_a_short_clip_gives_one_window_that_holds_its_end(vae):
    sequence = clip(50, 0)
    held = np.concatenate([sequence, np.repeat(sequence[-1:], 70, axis=0)])
    np.testing.assert_allclose(latents(vae, sequence[None])[0], encoded_one_by_one(vae, held, 1), atol=1e-5)


def test_impossible_windows_are_refused(vae):
    with pytest.raises(ValueError, match="stride"):
        latents(vae, clip(130, 0)[None], 0)
    with pytest.raises(ValueError, match=r"\(N, 32\)"):
        latents(vae, np.zeros((1, 0, 32)))


def test_latents_do_not_depend_on_the_batch(vae):
    samples = np.stack([clip(140, seed) for seed in range(5)])
    np.testing.assert_allclose(latents(vae, samples), latents(vae, samples, batch_size=3), atol=1e-5)


def test_the_released_convention_drops_the_last_windows(vae):
    whole = latents(vae, clip(140, 1)[None])
    np.testing.assert_array_equal(latents(vae, clip(140, 1)[None], drop_last=2), whole[:, :-2])
    assert latents(vae, clip(121, 2)[None], drop_last=2).shape == (1, 1, 64)


def test_the_truth_itself_scores_zero(vae, truth):
    row = evaluate_method(vae, truth, {name: value[None] for name, value in truth.items()}, SETTINGS, seed=0)
    assert row["fd"] == pytest.approx(0, abs=1e-6)
    assert row["multimodality"] == 0
    assert (
        row["windows_real"] == row["windows_generated"] == sum(1 + (len(value) - 120) // 2 for value in truth.values())
    )


def test_a_method_that_does_not_move_scores_worse_than_a_noisy_truth(vae, truth):
    rng = np.random.default_rng(0)
    noisy = {
        name: np.clip(value + 0.01 * rng.normal(size=(2, *value.shape)), 0, 1).astype(np.float32)
        for name, value in truth.items()
    }
    still = {name: np.repeat(value[None, :1], len(value), axis=1) for name, value in truth.items()}
    rows = [evaluate_method(vae, truth, method, SETTINGS, seed=0) for method in (noisy, still)]
    assert rows[0]["fd"] < rows[1]["fd"]
    assert rows[0]["wind_mean"] < rows[1]["wind_mean"]
    assert rows[0]["multimodality"] > 0
    assert rows[0] == evaluate_method(vae, truth, noisy, SETTINGS, seed=0)


def test_few_windows_are_reported(vae):
    short = {"a": clip(125, 0), "b": clip(121, 1)}
    row = evaluate_method(vae, short, {name: value[None] for name, value in short.items()}, SETTINGS, seed=0)
    assert set(row["notes"]) == {"fd", "wind"}
    assert "4 real and 4 generated windows for 64 dimensions" in row["notes"]["fd"]


def test_mixtures_of_too_few_windows_are_no_number_but_a_reason(vae):
    short = {"a": clip(120, 0)}
    row = evaluate_method(vae, short, {name: value[None] for name, value in short.items()}, SETTINGS, seed=0)
    assert row["wind_mean"] is None and row["wind_std"] is None
    assert row["notes"]["wind"] == "1 real windows cannot be fitted by 2 Gaussians"


def test_samples_that_are_not_finite_give_no_number_but_a_reason(vae, truth):
    samples = {name: np.stack([value, value]) for name, value in truth.items()}
    samples["clip2"][1, 7, 3] = np.nan
    row = evaluate_method(vae, truth, samples, SETTINGS, seed=0)
    for metric in ("fd", "wind", "multimodality"):
        assert row["notes"][metric] == "samples of clip2 hold values that are not finite"
    for column in ("fd", "wind_mean", "wind_std", "multimodality", "fd_interval", "multimodality_interval"):
        assert row[column] is None


def test_intervals_over_clips_hold_the_value(vae, truth):
    noisy = {name: np.stack([value, clip(len(value), 50 + n)]) for n, (name, value) in enumerate(truth.items())}
    row = evaluate_method(vae, truth, noisy, SETTINGS, seed=0)
    for metric in ("multimodality", "fd"):
        low, high = row[f"{metric}_interval"]
        assert 0 <= low < row[metric] < high


def test_the_interval_of_a_mean_widens_with_fewer_clips():
    values = np.random.default_rng(0).normal(size=400)
    wide, narrow = (jackknife_interval(np.mean, part) for part in (values[:50], values))
    assert narrow[1] - narrow[0] == pytest.approx(2 * 1.966 * values.std(ddof=1) / 20, rel=1e-3)  # Student's at 399
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


def test_the_jackknife_of_a_mean_is_students_interval():
    """In closed form: Student's quantile is tan(pi (p - 1/2)) at one degree of freedom, and algebraic at two."""
    half = np.tan(0.475 * np.pi)  # times 1, the standard error of 3 and 5
    assert jackknife_interval(np.mean, [3.0, 5.0]) == pytest.approx([4 - half, 4 + half])
    half = 0.95 / np.sqrt(2 * 0.975 * 0.025) * np.sqrt(7 / 3)  # of 1, 2 and 6, whose variance is 7
    assert jackknife_interval(np.mean, [1.0, 2.0, 6.0]) == pytest.approx([3 - half, 3 + half])
    assert jackknife_interval(np.mean, [2.0, 2.0, 2.0]) == [2.0, 2.0]
    assert jackknife_interval(np.mean, [3.0]) is None and jackknife_interval(np.mean, []) is None
    assert np.isnan(jackknife_interval(np.mean, [3.0, np.nan])).all()


def test_an_interval_ends_where_the_values_of_its_measure_do():
    assert jackknife_interval(np.mean, [1.0, 0.0], lowest=0, highest=1) == [0.0, 1.0]


def test_the_jackknife_covers_the_expected_distance_of_a_method_that_is_right():
    """Both sets are of one distribution: all of FD is bias, which resamples would add to FD a second time."""
    rng = np.random.default_rng(0)
    scales = np.arange(1, 17) ** -0.5

    def draw():
        return [Moments.of(scales * (0.7 * rng.normal(size=16) + rng.normal(size=(12, 16)))) for _ in range(24)]

    def distance(first, second):
        return frechet_distance(*sum(first, Moments.none()).gaussian(), *sum(second, Moments.none()).gaussian())

    expected = np.mean([distance(draw(), draw()) for _ in range(100)])
    intervals = [jackknife_interval(distance, draw(), draw()) for _ in range(40)]
    assert 0.85 <= np.mean([low <= expected <= high for low, high in intervals])


@pytest.mark.parametrize("spread", [1.0, 1e-9])
def test_moments_add_up_to_the_gaussian_of_all(spread):
    """Even if they hardly differ, as the latents of an extractor that was hardly trained."""
    values = np.random.default_rng(0).normal(size=(50, 3)) * spread + 5
    parts = [values[:20], values[:0], values[20:]]
    mean, covariance = sum(map(Moments.of, parts), Moments.none()).gaussian()
    np.testing.assert_allclose(mean, values.mean(0))
    np.testing.assert_allclose(covariance, np.cov(values.T), rtol=1e-6, atol=1e-30)
    assert np.linalg.eigvalsh(covariance).min() > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda samples: samples.pop("clip0"), "lacks the clips"),
        (lambda samples: samples.update(clip0=samples["clip0"][0]), "expected"),
        (lambda samples: samples.update(clip0=samples["clip0"][..., :-1]), r"expected \(S, N, 32\)"),
    ],
)
def test_bad_samples_are_named(vae, truth, change, message):
    samples = {name: value[None] for name, value in truth.items()}
    change(samples)
    with pytest.raises(ValueError, match=message):
        evaluate_method(vae, truth, samples, SETTINGS, seed=0)


def test_samples_as_long_as_the_speech_may_lack_a_frame_of_the_clip(vae, truth):
    samples = {name: value[None, :-1] for name, value in truth.items()}
    row = evaluate_method(vae, truth, samples, replace(SETTINGS, stride=1), seed=0)
    assert row["windows_real"] - row["windows_generated"] == len(truth)
    assert 0 < row["fd"] < 0.1 and row["wind_mean"] is not None


def test_multimodality_pairs_disjoint_halves():
    # Samples 0..3 lie at 0, 1, 2, 3 on a line: first against last half is always 2 apart.
    line = np.arange(4.0)[:, None, None] * np.ones((1, 5, 1))
    assert multimodality_per_clip([line], "halves", seed=0) == [pytest.approx(2)]
    assert 1 <= multimodality_per_clip([line], "random", seed=0)[0] <= 3
    assert multimodality_per_clip([line[:1], line], "random", seed=0)[0] == 0
    with pytest.raises(ValueError, match="random, halves, combinations"):
        multimodality_per_clip([line], "all", seed=0)


def test_eight_styles_are_paired_in_36_ways():
    # Samples at 0..7: the distances |i - j| of the 28 different pairs add up to 84, those of the 8 equal ones to 0.
    line = np.arange(8.0)[:, None, None] * np.ones((1, 5, 1))
    assert multimodality_per_clip([line], "combinations", seed=0) == [pytest.approx(84 / 36)]


def test_equal_latents_are_as_far_apart_as_the_fits_of_their_mixtures():
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [20.0, 0.0]])
    values = np.concatenate([centre + rng.normal(size=(200, 2)) for centre in centres])
    assert wind_repeats(values, values, 2, 3, seed=0) == pytest.approx(0, abs=1e-3)
    assert wind_repeats(values, values + [3.0, 0.0], 2, 2, seed=0) == pytest.approx(9, rel=1e-2)


def separated(rows, dimensions=6, seed=0):
    """Three clusters with covariances of their own, in single precision as latents are."""
    rng = np.random.default_rng(seed)
    parts = [rng.normal(size=(rows, dimensions)) @ rng.normal(size=(dimensions, dimensions)) + 4 * k for k in range(3)]
    return np.concatenate(parts).astype(np.float32)


@pytest.mark.parametrize("rows", [600, 3000])  # in one block and in several
def test_mixtures_are_scikit_learns(rows):
    values, tolerance = separated(rows).astype(float), 1e-8
    ours, plain = (kind(3, random_state=7).fit(values) for kind in (BlockwiseGaussianMixture, GaussianMixture))
    assert (ours.n_iter_, ours.converged_) == (plain.n_iter_, plain.converged_)
    assert ours.lower_bound_ == pytest.approx(plain.lower_bound_, rel=tolerance)
    for name in ("weights_", "means_", "covariances_", "precisions_"):
        np.testing.assert_allclose(getattr(ours, name), getattr(plain, name), rtol=tolerance, atol=tolerance)
    assert wind(ours, plain) == pytest.approx(0, abs=tolerance)


def test_mixtures_of_latents_are_fitted_in_double_precision():
    """Latents are in single precision, in which the end of a fit depends on the processor."""
    values = separated(1000)
    single, double = (wind_repeats(values[::2], given, 3, 2, seed=0) for given in (values, values.astype(float)))
    np.testing.assert_array_equal(single, double)


def test_mixtures_do_not_depend_on_threads():
    values = separated(1000)
    one, two = (wind_repeats(values, values + 1, 3, 3, seed=0, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one, two)
