"""The metrics: golden values of the authors' implementation, closed forms, and answers to bad input."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.linalg
from scipy.optimize import linprog

from said.metrics import frechet_distance, multimodality, wind


def mixture(means, covariances, weights):
    return SimpleNamespace(means_=np.asarray(means), covariances_=np.asarray(covariances), weights_=np.asarray(weights))


@pytest.fixture(scope="module")
def golden(official):
    """Latents and mixtures of the authors, all in single precision, and what their implementation makes of them."""
    return dict(np.load(official / "golden" / "metrics_golden.npz"))


def gaussian(values):
    values = values.astype(float)
    return values.mean(0), np.cov(values.T)


def mixtures(golden, precision=float):
    return [
        mixture(*(golden[f"gmm_{name}_{part}"].astype(precision) for part in ("means", "covs", "weights")))
        for name in "ab"
    ]


def test_frechet_distance_is_the_authors(golden):
    first, second = gaussian(golden["a"]), gaussian(golden["b"])
    assert frechet_distance(*first, *second) == pytest.approx(eigenvalue_distance(*first, *second), rel=1e-9)
    assert frechet_distance(*first, *second) == pytest.approx(float(golden["fd"]), rel=1e-6)


def eigenvalue_distance(mean1, cov1, mean2, cov2):
    """The Frechet distance by the eigenvalues of C1 C2, in double precision."""
    overlap = np.sqrt(scipy.linalg.eigvals(cov1 @ cov2)).real.sum()
    return np.square(mean1 - mean2).sum() + np.trace(cov1) + np.trace(cov2) - 2 * overlap


def transport(cost, weights1, weights2):
    """The cheapest transport, by another solver."""
    rows, columns = cost.shape
    limits = np.concatenate([np.repeat(np.eye(rows), columns, 1), np.tile(np.eye(columns), rows)])
    weights = np.concatenate([weights1 / weights1.sum(), weights2 / weights2.sum()])
    return linprog(cost.ravel(), limits, weights, np.ones((1, cost.size)), [1.0]).fun


def test_wind_is_the_authors_to_their_precision(golden):
    """Theirs is computed in single precision and 4.3e-5 off the value of their own mixtures, which is found twice."""
    first, second = mixtures(golden)
    distances = [
        [eigenvalue_distance(*one, *other) for other in zip(second.means_, second.covariances_, strict=True)]
        for one in zip(first.means_, first.covariances_, strict=True)
    ]
    expected = transport(np.array(distances), first.weights_, second.weights_)
    assert wind(first, second) == pytest.approx(expected, rel=1e-9)
    assert wind(first, second) == pytest.approx(15.669267209840, rel=1e-9)
    assert wind(first, second) == pytest.approx(wind(second, first), rel=1e-9)
    assert wind(first, second) == pytest.approx(float(golden["wind"]), rel=1e-4)
    np.testing.assert_allclose(distances, golden["pairwise_d"], rtol=5e-4)


def test_single_precision_is_computed_in_double(golden):
    assert wind(*mixtures(golden, np.float32)) == wind(*mixtures(golden))
    mean1, cov1, mean2, cov2 = (part.astype(np.float32) for name in "ab" for part in gaussian(golden[name]))
    doubled = (part.astype(float) for part in (mean1, cov1, mean2, cov2))
    assert frechet_distance(mean1, cov1, mean2, cov2) == frechet_distance(*doubled)


def test_multimodality_is_the_authors(golden):
    value = multimodality(golden["a"][: len(golden["b"])], golden["b"])
    assert value == pytest.approx(float(golden["multimodality_a1500_b"]), rel=1e-6)


def test_frechet_distance_of_one_dimensional_gaussians():
    assert frechet_distance([1.0], [[4.0]], [4.0], [[0.25]]) == pytest.approx(3**2 + (2 - 0.5) ** 2)


def test_frechet_distance_of_commuting_covariances():
    rng = np.random.default_rng(0)
    axes, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    first, second = rng.uniform(0.1, 2, (2, 6))
    distance = frechet_distance(np.zeros(6), axes * first @ axes.T, np.zeros(6), axes * second @ axes.T)
    assert distance == pytest.approx(np.square(np.sqrt(first) - np.sqrt(second)).sum())


def test_a_covariance_may_be_nothing_but_rounding():
    """Of a face that never moves, all latents are equal: what is left of the distance is in closed form."""
    mean, rounding = np.array([3.0, 0.0]), np.diag([1e-16, -2e-16])
    assert frechet_distance(np.zeros(2), np.diag([4.0, 1.0]), mean, rounding) == pytest.approx(9 + 5, abs=1e-6)


def test_frechet_distance_of_equal_gaussians_is_zero_even_where_singular():
    rng = np.random.default_rng(1)
    few = rng.normal(size=(5, 20))
    assert frechet_distance(few.mean(0), np.cov(few.T), few.mean(0), np.cov(few.T)) == pytest.approx(0, abs=1e-11)


def test_frechet_distance_to_a_point_is_the_spread():
    covariance = np.diag([1.0, 2.0, 3.0])
    assert frechet_distance(np.zeros(3), covariance, np.zeros(3), np.zeros((3, 3))) == pytest.approx(6)


def test_wind_moves_the_weight_that_differs():
    spread = np.ones((2, 1, 1)) * 0.01
    first = mixture([[0.0], [10.0]], spread, [0.5, 0.5])
    second = mixture([[0.0], [10.0]], spread, [0.8, 0.2])
    assert wind(first, second) == pytest.approx(0.3 * 100)


def test_wind_of_one_component_is_the_frechet_distance():
    first = mixture([[0.0, 1.0]], [np.diag([1.0, 4.0])], [1.0])
    second = mixture([[2.0, 1.0]], [np.diag([9.0, 1.0])], [1.0])
    assert wind(first, second) == pytest.approx(4 + 4 + 1)


def test_wind_does_not_see_the_order_of_components():
    rng = np.random.default_rng(2)
    means, weights = rng.normal(size=(4, 3)), np.array([0.1, 0.2, 0.3, 0.4])
    covariances = np.stack([np.diag(row) for row in rng.uniform(0.5, 2, (4, 3))])
    order = [2, 0, 3, 1]
    shuffled = mixture(means[order], covariances[order], weights[order])
    assert wind(mixture(means, covariances, weights), shuffled) == pytest.approx(0, abs=1e-9)


def test_wind_takes_mixtures_of_different_sizes():
    first = mixture([[0.0]], [[[1.0]]], [1.0])
    second = mixture([[-1.0], [1.0]], [[[1.0]], [[1.0]]], [0.5, 0.5])
    assert wind(first, second) == pytest.approx(1)


def test_multimodality_of_known_pairs():
    assert multimodality(np.zeros((2, 2)), [[3.0, 4.0], [0.0, 1.0]]) == pytest.approx(3)
    assert multimodality(np.zeros((0, 64)), np.zeros((0, 64))) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean1": [0.0, np.nan]}, "mean1"),
        ({"cov2": np.eye(3)}, "cov2"),
        ({"cov1": np.array([[1.0, 2.0], [0.0, 1.0]])}, "not symmetric"),
        ({"cov1": np.diag([1.0, -1.0])}, "negative eigenvalue"),
        ({"cov2": np.full((2, 2), np.inf)}, "not finite"),
        ({"mean2": np.zeros(3)}, "2 and 3 dimensions"),
    ],
)
def test_bad_gaussians_are_named(change, message):
    arguments = {"mean1": np.zeros(2), "cov1": np.eye(2), "mean2": np.zeros(2), "cov2": np.eye(2), **change}
    with pytest.raises(ValueError, match=message):
        frechet_distance(**arguments)


def test_weights_that_are_no_distribution_are_named():
    good = mixture([[0.0]], [[[1.0]]], [1.0])
    with pytest.raises(ValueError, match="mixture2"):
        wind(good, mixture([[0.0]], [[[1.0]]], [0.7]))


def test_unpaired_latents_are_refused():
    with pytest.raises(ValueError, match="paired"):
        multimodality(np.zeros((3, 64)), np.zeros((2, 64)))
    with pytest.raises(ValueError, match="finite"):
        multimodality(np.full((1, 2), np.nan), np.zeros((1, 2)))
