"""The metrics of Section 10 on latents, in double precision: Frechet distance, WInD and multimodality."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from cvxopt import matrix, solvers, spmatrix
from jaxtyping import Real
from numpy.typing import ArrayLike, NDArray

from said.reasons import NoValueError
from said.running.shapes import shaped


@shaped
def frechet_distance(
    mean1: Real[np.ndarray, " D"] | Sequence,
    cov1: Real[np.ndarray, "D D"] | Sequence,
    mean2: Real[np.ndarray, " D"] | Sequence,
    cov2: Real[np.ndarray, "D D"] | Sequence,
) -> float:
    """Squared Frechet (2-Wasserstein) distance between two Gaussians (Eq. 14).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2). Singular covariances are allowed. The published implementation
    takes the matrix square root of C1 C2, in the covariances' precision; in single precision its numbers agree with
    these to about five digits.

    Args:
        mean1, mean2: (D,).
        cov1, cov2: (D, D) symmetric positive semi-definite.

    Raises:
        NoValueError: shapes differ, a value is not finite, or a covariance is not symmetric positive semi-definite.
    """
    mean1, mean2 = _mean(mean1, "mean1"), _mean(mean2, "mean2")
    if len(mean1) != len(mean2):
        raise NoValueError(f"the Gaussians have {len(mean1)} and {len(mean2)} dimensions")
    cov1, cov2 = _covariance(cov1, "cov1", len(mean1)), _covariance(cov2, "cov2", len(mean1))
    scale = max(np.trace(cov1), np.trace(cov2))  # one may be rounding alone, where all latents are equal
    root1, root2 = _square_root(cov1, "cov1", scale), _square_root(cov2, "cov2", scale)
    # The trace of (C1^1/2 C2 C1^1/2)^1/2 is the sum of the singular values of C1^1/2 C2^1/2. Taken as the square roots
    # of eigenvalues, small ones would lose half of their digits.
    overlap = np.linalg.svd(root1 @ root2, compute_uv=False).sum()
    distance = np.square(mean1 - mean2).sum() + np.trace(cov1) + np.trace(cov2) - 2 * overlap
    return max(float(distance), 0.0)


@runtime_checkable
class Mixture(Protocol):
    """A Gaussian mixture of K components in D dimensions, as scikit-learn has it."""

    means_: Real[np.ndarray, "K D"]
    covariances_: Real[np.ndarray, "K D D"]
    weights_: Real[np.ndarray, " K"]
    """Of sum 1."""


@shaped
def wind(mixture1: Mixture, mixture2: Mixture) -> float:
    """WInD: the cheapest transport between the components of two Gaussian mixtures (Section 10).

    A linear program in transport weights w_ij >= 0 that sum to 1 and whose marginals are at most the mixtures' weights,
    with the squared Frechet distances between components as costs; it is solved by GLPK, through CVXOPT.

    Args:
        mixture1, mixture2: anything with `means_` (K, D), `covariances_` (K, D, D) and `weights_` (K,), such as
            scikit-learn's GaussianMixture.

    Raises:
        NoValueError: weights are not a distribution, a component is no Gaussian, or the program has no solution.
    """
    weights1, weights2 = _weights(mixture1, "mixture1"), _weights(mixture2, "mixture2")
    cost = np.array(
        [
            [
                frechet_distance(mean1, cov1, mean2, cov2)
                for mean2, cov2 in zip(mixture2.means_, mixture2.covariances_, strict=True)
            ]
            for mean1, cov1 in zip(mixture1.means_, mixture1.covariances_, strict=True)
        ]
    )
    rows, columns = cost.shape
    count = rows * columns
    entry = np.arange(count)  # w_ij is entry i * columns + j
    constraints = spmatrix(
        [1.0] * (2 * count) + [-1.0] * count,
        np.concatenate([entry // columns, rows + entry % columns, rows + columns + entry]).tolist(),
        np.tile(entry, 3).tolist(),
    )
    limits = np.concatenate([weights1, weights2, np.zeros(count)])
    solution = solvers.lp(
        matrix(cost.reshape(-1, 1)),
        constraints,
        matrix(limits),
        matrix(1.0, (1, count)),
        matrix(1.0),
        solver="glpk",
        options={"glpk": {"msg_lev": "GLP_MSG_OFF"}},
    )
    if solution["status"] != "optimal":
        raise NoValueError(f"the transport between the mixtures could not be solved: {solution['status']}")
    return max(float(solution["primal objective"]), 0.0)


@shaped
def multimodality(first: Real[np.ndarray, "P D"] | Sequence, second: Real[np.ndarray, "P D"] | Sequence) -> float:
    """Mean L2 distance between the paired latents of two sets of samples for the same audio (Section 10).

    Args:
        first, second: (P, D); without pairs, as of a method with one sample for each audio, the distance is 0.

    Raises:
        NoValueError: shapes differ or a value is not finite.
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if first.shape != second.shape:
        raise NoValueError(f"latents are paired, but their shapes are {first.shape} and {second.shape}")
    if first.size == 0:
        return 0.0
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise NoValueError("latents hold values that are not finite")
    return float(np.linalg.norm(first - second, axis=-1).mean())


def _mean(mean: ArrayLike, name: str) -> NDArray[np.float64]:
    mean = np.asarray(mean, dtype=np.float64)
    if mean.ndim != 1 or not np.isfinite(mean).all():
        raise NoValueError(f"{name} must be a finite vector (D,), got shape {mean.shape}")
    return mean


def _covariance(covariance: ArrayLike, name: str, dimensions: int) -> NDArray[np.float64]:
    covariance = np.asarray(covariance, dtype=np.float64)
    if covariance.shape != (dimensions, dimensions):
        raise NoValueError(f"{name} is {covariance.shape}, expected {(dimensions, dimensions)}")
    if not np.isfinite(covariance).all():
        raise NoValueError(f"{name} holds values that are not finite")
    scale = max(np.abs(covariance).max(), 1e-300)
    if np.abs(covariance - covariance.T).max() > 1e-4 * scale:
        raise NoValueError(f"{name} is not symmetric")
    return (covariance + covariance.T) / 2


def _square_root(covariance: NDArray, name: str, scale: float) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(covariance)
    if values.min() < -max(1e-4 * values.max(), 1e-12 * scale):
        raise NoValueError(f"{name} has the negative eigenvalue {values.min():.3g}: it is no covariance")
    return vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T


def _weights(mixture: Mixture, name: str) -> NDArray[np.float64]:
    weights = np.asarray(mixture.weights_, dtype=np.float64)
    if weights.ndim != 1 or (weights < 0).any() or not np.isclose(weights.sum(), 1, atol=1e-3):
        raise NoValueError(f"the weights of {name} are no distribution: {weights}")
    return weights / weights.sum()
