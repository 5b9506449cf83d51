"""Gaussian mixtures of large data sets: scikit-learn's estimator with a faster pass over the data.

At the paper's size (697,000 latents of 64 dimensions, 5 components) scikit-learn spends its time on moving temporary
arrays of the size of the data through memory, several per component. Here a single pass, in blocks that stay in the
cache, computes the E-step and the sums that the M-step needs. Initialisation, updates, regularisation and stopping rule
are scikit-learn's.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

from said.reasons import NoValueError

_BLOCK = 2048  # rows whose products with all components fit the cache
_NEGLIGIBLE = 1e-10  # responsibility below which a row is not added to a component's sums


class BlockwiseGaussianMixture(GaussianMixture):
    """scikit-learn's GaussianMixture with full covariances, fitted in blocks of rows, in double precision."""

    def __init__(self, n_components: int = 1, *, random_state: int | None = None):
        super().__init__(n_components, random_state=random_state)

    def _e_step(self, X: NDArray, xp: Any = None) -> tuple[float, NDArray]:
        """Mean log-likelihood and (n, K) log-responsibilities; keeps the sums for `_m_step`, which is called next."""
        components, dimensions = self.means_.shape
        factors = self.precisions_cholesky_
        centres = np.einsum("kd,kde->ke", self.means_, factors).reshape(-1)
        whitening = np.concatenate([*factors], axis=1)  # (D, K D)
        log_determinant = np.log(np.einsum("kdd->kd", factors)).sum(1)
        constant = np.log(self.weights_) + log_determinant - 0.5 * dimensions * np.log(2 * np.pi)

        log_responsibilities = np.empty((len(X), components))
        likelihood, sums = 0.0, _Sums.zero(self.means_)
        for start in range(0, len(X), _BLOCK):
            rows = X[start : start + _BLOCK]
            white = rows @ whitening
            white -= centres
            white = white.reshape(len(rows), components, dimensions)
            log_joint = constant - 0.5 * np.vecdot(white, white)
            largest = log_joint.max(1, keepdims=True)
            joint = np.exp(log_joint - largest)
            total = joint.sum(1, keepdims=True)
            log_total = largest + np.log(total)
            log_responsibilities[start : start + _BLOCK] = log_joint - log_total
            likelihood += log_total.sum()
            sums.add(rows, joint / total)
        self._sums = sums
        return likelihood / len(X), log_responsibilities

    def _m_step(self, X: NDArray, log_resp: NDArray, xp: Any = None) -> None:
        """The means, covariances and weights that the sums of `_e_step` give."""
        count = self._sums.count + 10 * np.finfo(X.dtype).eps
        shift = self._sums.first / count[:, None]
        spread = self._sums.second / count[:, None, None] - shift[:, :, None] * shift[:, None, :]
        self.means_ = self._sums.centres + shift
        self.covariances_ = spread + self.reg_covar * np.eye(X.shape[1])
        self.weights_ = count / count.sum()
        self.precisions_cholesky_ = _inverse_cholesky(self.covariances_)


class _Sums:
    """Weighted sums over rows x, per component: of 1, of d = x - centre, and of the outer product of d with itself.

    A single pass over the rows gives them all, and with centres near the new means they lose no digits.
    """

    def __init__(self, centres: NDArray, count: NDArray, first: NDArray, second: NDArray):
        self.centres, self.count, self.first, self.second = centres, count, first, second

    @classmethod
    def zero(cls, centres: NDArray) -> "_Sums":
        """The sums over no rows, around centres (K, D)."""
        components, dimensions = centres.shape
        return cls(
            centres,
            np.zeros(components),
            np.zeros((components, dimensions)),
            np.zeros((components, dimensions, dimensions)),
        )

    def add(self, rows: NDArray, weights: NDArray) -> None:
        """Add rows (n, D) with weights (n, K)."""
        self.count += weights.sum(0)
        for k, weight in enumerate(weights.T):
            chosen = np.flatnonzero(weight > _NEGLIGIBLE)
            distance = rows[chosen] - self.centres[k]
            weighted = distance * weight[chosen, None]
            self.first[k] += weighted.sum(0)
            self.second[k] += weighted.T @ distance


def _inverse_cholesky(covariances: NDArray) -> NDArray:
    """(K, D, D) upper triangular P, with P P' the inverse of each covariance (K, D, D)."""
    try:
        lower = np.linalg.cholesky(covariances)
    except np.linalg.LinAlgError:
        raise NoValueError("a component of the mixture has collapsed: its covariance is singular") from None
    return np.linalg.inv(lower).swapaxes(1, 2)
