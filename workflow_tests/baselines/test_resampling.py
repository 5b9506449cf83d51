"""From 30 to 60 frames per second: what is linear stays exact, and frames lie where the rule says."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from said.baselines.resampling import positions, to_corpus_rate


def mesh(values) -> np.ndarray:
    """(N, 2, 3) meshes of which every coordinate has the value of its frame."""
    return np.broadcast_to(np.asarray(values, np.float32)[:, None, None], (len(values), 2, 3))


def test_time_is_exact_and_the_last_frame_is_held():
    doubled = to_corpus_rate(mesh([0, 1, 2, 3]), 30)
    assert doubled.shape == (8, 2, 3)
    np.testing.assert_allclose(doubled[:, 0, 0], [0, 0.5, 1, 1.5, 2, 2.5, 3, 3])


@pytest.mark.parametrize(("rule", "aligned"), [("centred", False), ("stretched", True)])
def test_the_other_rules_are_pytorchs(rule, aligned):
    values = np.random.default_rng(0).standard_normal(7).astype(np.float32)
    expected = F.interpolate(torch.from_numpy(values)[None, None], 14, mode="linear", align_corners=aligned)[0, 0]
    np.testing.assert_allclose(to_corpus_rate(mesh(values), 30, rule)[:, 1, 2], expected, atol=1e-6)


def test_what_has_the_rate_or_a_single_frame_stays_as_it_is():
    meshes = mesh([3, 1, 2])
    np.testing.assert_array_equal(to_corpus_rate(meshes, 60), meshes)
    np.testing.assert_array_equal(to_corpus_rate(mesh([5]), 30), mesh([5, 5]))


def test_what_cannot_be_doubled_is_refused():
    with pytest.raises(ValueError, match="30 or 60 frames per second, not 25"):
        to_corpus_rate(mesh([0, 1]), 25)
    with pytest.raises(ValueError, match="'nearest'"):
        positions(4, "nearest")
    with pytest.raises(ValueError, match="not 0"):
        positions(0)
