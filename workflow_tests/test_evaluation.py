"""Evaluation of a method: windows, latents, the row of a table, and the comparison with the truth."""

import numpy as np
import pytest
import torch

from said.arkit import SPEECH_BLENDSHAPES
from said.evaluation import (
    evaluate_method,
    gaussian,
    jitter_ratio,
    latents,
    mean_multimodality,
    truth_correlation,
    wind_repeats,
    windows,
)
from said.extractor import BlendshapeVAE

SETTINGS = {
    "stride": 2,
    "drop_last_windows": 0,
    "multimodality": "random",
    "wind_components": 2,
    "wind_repeats": 2,
}


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


def test_windows_slide_by_the_stride():
    sequence = np.arange(125 * 32, dtype=np.float32).reshape(125, 32)
    cut = windows(sequence, 2)
    assert cut.shape == (3, 120, 32)
    np.testing.assert_array_equal(cut[2], sequence[4:124])


def test_a_short_clip_gives_one_window_that_holds_its_end():
    sequence = clip(50, 0)
    cut = windows(sequence)
    assert cut.shape == (1, 120, 32)
    np.testing.assert_array_equal(cut[0, :50], sequence)
    np.testing.assert_array_equal(cut[0, 50:], np.repeat(sequence[-1:], 70, axis=0))


def test_impossible_windows_are_refused():
    with pytest.raises(ValueError, match="stride"):
        windows(clip(130, 0), 0)
    with pytest.raises(ValueError, match=r"\(N, 32\)"):
        windows(np.zeros((0, 32)))


def test_latents_do_not_depend_on_the_batch(vae):
    sequences = [clip(140, 1), clip(121, 2)]
    whole = latents(vae, sequences, 1, batch_size=1000)
    pieces = latents(vae, sequences, 1, batch_size=3)
    assert [len(one) for one in whole] == [21, 2]
    for one, other in zip(whole, pieces, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_the_released_convention_drops_the_last_windows(vae):
    assert [len(one) for one in latents(vae, [clip(140, 1), clip(121, 2)], 1, drop_last=2)] == [19, 1]


def test_gaussian_is_mean_and_covariance():
    values = np.random.default_rng(0).normal(size=(50, 3))
    mean, covariance = gaussian(values)
    np.testing.assert_allclose(mean, values.mean(0))
    np.testing.assert_allclose(covariance, np.cov(values.T))


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
    assert any("singular" in note for note in row["notes"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda samples: samples.pop("clip0"), "lacks the clips"),
        (lambda samples: samples.update(clip0=samples["clip0"][0]), "expected"),
        (lambda samples: samples.update(clip0=samples["clip0"][:, :-1]), "frames"),
        (lambda samples: samples.update(clip0=samples["clip0"] * np.nan), "not finite"),
    ],
)
def test_bad_samples_are_named(vae, truth, change, message):
    samples = {name: value[None] for name, value in truth.items()}
    change(samples)
    with pytest.raises(ValueError, match=message):
        evaluate_method(vae, truth, samples, SETTINGS, seed=0)


def test_multimodality_pairs_disjoint_halves():
    # Samples 0..3 lie at 0, 1, 2, 3 on a line: first against last half is always 2 apart.
    line = np.arange(4.0)[:, None, None] * np.ones((1, 5, 1))
    assert mean_multimodality([line], "halves", seed=0) == pytest.approx(2)
    random = mean_multimodality([line], "random", seed=0)
    assert 1 <= random <= 3
    assert mean_multimodality([line[:1]], "random", seed=0) == 0
    with pytest.raises(ValueError, match="random or halves"):
        mean_multimodality([line], "all", seed=0)


def test_equal_latents_are_as_far_apart_as_the_fits_of_their_mixtures():
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [20.0, 0.0]])
    values = np.concatenate([centre + rng.normal(size=(200, 2)) for centre in centres])
    assert wind_repeats(values, values, 2, 3, seed=0) == pytest.approx(0, abs=1e-3)
    assert wind_repeats(values, values + [3.0, 0.0], 2, 2, seed=0) == pytest.approx(9, rel=1e-2)


def test_correlation_with_the_truth(truth):
    rng = np.random.default_rng(0)
    same = {name: np.stack([value, 0.5 * value + 0.1]) for name, value in truth.items()}
    assert np.mean(list(truth_correlation(same, truth).values())) > 0.97
    unrelated = {name: rng.normal(size=(3, *value.shape)) for name, value in truth.items()}
    correlation = truth_correlation(unrelated, truth)
    assert tuple(correlation) == SPEECH_BLENDSHAPES
    assert max(map(abs, correlation.values())) < 0.2


def test_correlation_of_a_still_face_is_zero_and_lengths_may_differ(truth):
    still = {name: np.full((1, len(value) - 3, 32), 0.5) for name, value in truth.items()}
    assert set(truth_correlation(still, truth).values()) == {0.0}


def test_jitter_of_the_truth_is_one_and_of_noise_is_more(truth):
    same = {name: value[None] for name, value in truth.items()}
    assert jitter_ratio(same, truth) == pytest.approx(1)
    rng = np.random.default_rng(0)
    noisy = {name: value + 0.05 * rng.normal(size=value.shape).astype(np.float32) for name, value in same.items()}
    assert jitter_ratio(noisy, truth) > 2
