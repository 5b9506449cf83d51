"""How far samples agree with the truth."""

import numpy as np
import pytest

from said.agreement import jitter_ratio, lip_vertex_error, truth_correlation
from said.arkit import SPEECH_BLENDSHAPES


@pytest.fixture(scope="module")
def truth():
    """Four clips (N, 32) that move in all blendshapes."""
    rng = np.random.default_rng(0)
    return {
        f"clip{n}": (0.5 + 0.4 * np.sin(np.arange(frames)[:, None] / 9 + rng.uniform(0, 6, 32))).astype(np.float32)
        for n, frames in enumerate((150, 160, 170, 180))
    }


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


def test_lip_error_is_the_worst_vertex_averaged_over_frames():
    truth = np.zeros((2, 3, 3))
    sample = truth.copy()
    sample[0, 1] = [3.0, 4.0, 0.0]
    sample[0, 2] = [1.0, 0.0, 0.0]
    sample[1, 0] = [0.0, 0.0, 1.0]
    assert lip_vertex_error(truth, sample) == pytest.approx((5 + 1) / 2)
    assert lip_vertex_error(truth, truth) == 0
