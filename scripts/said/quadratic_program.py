"""The optimum of the step-limited quadratic program of Eq. 2 (Sec. 4.1), with proof.

The coefficients of a frame are coupled with each other by B'B, and with the same coefficients of the next frame by the
step limit. In the order of the frames, every matrix that an interior-point or an active-set method has to factorise is
therefore banded, with bandwidth K: Cholesky's algorithm takes N K^3 operations, whichever limits are active, and Eq. 2
takes time and memory linear in the number of frames.

The problem is given divided by the smallest eigenvalue of B'B, so that it is strongly convex with modulus 1. The
residuals of the optimality conditions then give a rigorous bound on the distance to the unique optimum, in coefficients
(`optimality_bound`). No answer is returned without that certificate.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve_banded, cholesky_banded

CERTIFIED_ERROR = 1e-6
"""Largest admitted bound on the Euclidean distance between a sequence's coefficients and the optimum."""

ROUNDING = 1e-12
"""In coefficients: by how much a limit may be exceeded, and a constraint count as active, because of rounding."""

_ITERATIONS = 60  # of the interior-point methods; ten to twenty are usual
_ACTIVE_SET_ROUNDS = 6  # two or three are usual
_PENALTY = 1e9  # for leaving a limit that is treated as an equation
_REFINEMENTS = 4  # steps after which such a limit is met to rounding


class UncertifiedError(RuntimeError):
    """The solver's answer could not be proved to be the optimum of Eq. 2."""


@dataclass(frozen=True)
class Problem:
    """Eq. 2 with the sums over vertices taken, divided by the smallest eigenvalue of B'B.

    Attributes:
        hessian: (K, K), with smallest eigenvalue 1.
        linear: (N, K), the scaled B'(b0 - p^n).
        max_step: delta.
    """

    hessian: NDArray[np.float64]
    linear: NDArray[np.float64]
    max_step: float

    def gradient(self, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, K) derivative of the objective u'Pu / 2 + q'u."""
        return coefficients @ self.hessian + self.linear

    def slacks(self, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        """(4, N, K) distance from each limit: from 0, from 1, and of the step to the next frame from +delta and -delta.

        The last frame's step counts as 0.
        """
        steps = np.diff(coefficients, axis=0, append=coefficients[-1:])
        return np.stack([coefficients, 1 - coefficients, self.max_step - steps, self.max_step + steps])


@dataclass(frozen=True)
class Solution:
    """Coefficients (N, K) of a `Problem` and the multipliers (4, N, K) of its limits, in the order of its slacks."""

    coefficients: NDArray[np.float64]
    multipliers: NDArray[np.float64]


def solve(problem: Problem, solver: str = "banded") -> NDArray[np.float64]:
    """(N, K) optimum of a `Problem`, certified.

    The solver proposes ever more accurate points within the limits, until the active-set method reaches the optimum
    from one of them.

    Args:
        solver: a key of `SOLVERS`.

    Raises:
        UncertifiedError: it reached the optimum from none.
    """
    least = np.inf
    for proposal in SOLVERS[solver](problem):
        solution, bound = _active_set(problem, proposal)
        if bound <= CERTIFIED_ERROR:
            return solution.coefficients
        least = min(least, bound)
    raise UncertifiedError(
        f"{solver}'s answer for {len(problem.linear)} frames may be {least:.1e} away from the optimum of Eq. 2 "
        f"(admitted: {CERTIFIED_ERROR:.0e}); the blendshapes may be nearly dependent: try a small ridge"
    )


def optimality_bound(problem: Problem, solution: Solution) -> float:
    """Upper bound on the Euclidean distance of a solution from the optimum, from the optimality conditions alone.

    For a feasible u, multipliers z >= 0, the residual r of stationarity and g, the sum of z times slack, strong
    convexity with modulus 1 gives |u - u*|^2 <= |r| |u - u*| + g. The limits count as moved by at most `ROUNDING`; for
    a solution that is farther outside them the bound is infinite.
    """
    residual = np.linalg.norm(problem.gradient(solution.coefficients) + _pull(solution.multipliers))
    slacks = problem.slacks(solution.coefficients)
    if not (np.isfinite(residual) and min(slacks.min(), solution.multipliers.min()) > -ROUNDING):
        return np.inf
    gap = (solution.multipliers * np.maximum(slacks - ROUNDING, 0)).sum()
    return 0.5 * (residual + np.sqrt(residual**2 + 4 * gap))


def _pull(multipliers: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, K) derivative of -sum(multipliers * slacks) in the coefficients."""
    at_zero, at_one, rising, falling = multipliers
    pull = at_one - at_zero
    tension = (rising - falling)[:-1]
    pull[:-1] -= tension
    pull[1:] += tension
    return pull


def _slack_change(move: NDArray[np.float64]) -> NDArray[np.float64]:
    """(4, N, K) change of the slacks when the coefficients change by `move` (N, K)."""
    steps = np.diff(move, axis=0, append=move[-1:])
    return np.stack([move, -move, -steps, steps])


# ---------------------------------------------------------------------------------------------------- the two methods


def _active_set(problem: Problem, start: Solution) -> tuple[Solution, float]:
    """The optimum, exact to rounding, by the primal-dual active-set method (Hintermueller et al. 2003).

    Limits whose multiplier exceeds their slack become equations, the linear system that remains is solved, and so on
    until the answer is certified.

    Returns:
        the best `Solution` and its `optimality_bound`.
    """
    best, best_bound = start, optimality_bound(problem, start)
    coefficients, multipliers, slacks = start.coefficients, start.multipliers, problem.slacks(start.coefficients)
    for _ in range(_ACTIVE_SET_ROUNDS):
        active = multipliers > slacks
        try:
            coefficients, multipliers = _solve_active(problem, coefficients, multipliers, active)
        except LinAlgError:
            break
        slacks = np.where(active, 0.0, problem.slacks(coefficients))
        candidate = Solution(np.clip(coefficients, 0.0, 1.0), np.maximum(multipliers, 0.0))
        bound = optimality_bound(problem, candidate)
        if bound < best_bound:
            best, best_bound = candidate, bound
        if best_bound <= CERTIFIED_ERROR:
            break
    return best, best_bound


def _solve_active(
    problem: Problem, coefficients: NDArray[np.float64], multipliers: NDArray[np.float64], active: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients and multipliers of the optimum with the limits `active` (4, N, K) as equations, without the others.

    By the method of multipliers, which works for dependent limits too, and keeps their multipliers near those given
    where these are positive. The penalty is so large that each step gains several digits.
    """
    penalties = _PENALTY * active
    multipliers = np.where(active, multipliers, 0.0)
    solve_for = _factorise(problem, penalties)
    for _ in range(_REFINEMENTS):
        shifted = multipliers - penalties * problem.slacks(coefficients)
        move = solve_for(-problem.gradient(coefficients) - _pull(shifted))
        multipliers = shifted - penalties * _slack_change(move)
        coefficients = coefficients + move
    return coefficients, multipliers


def _interior_points(problem: Problem) -> Iterator[Solution]:
    """Mehrotra's predictor-corrector method, from the middle of the box; all iterates lie within the limits.

    Yields:
        the iterates at which the mean product of slack and multiplier has fallen far enough, and the last.
    """
    coefficients = np.full(problem.linear.shape, 0.5)
    slacks = problem.slacks(coefficients)
    # Where the gradient is 0, the middle is the optimum, and multipliers of any size will do.
    multipliers = 0.1 * (np.abs(problem.gradient(coefficients)).mean() or 1.0) / slacks
    goal = 1e-5 * min(1, problem.max_step) ** 2  # by then active limits mostly differ clearly from the others
    for _ in range(_ITERATIONS):
        try:
            move, slack_change, multiplier_change = _predict_and_correct(problem, coefficients, slacks, multipliers)
        except LinAlgError:  # as near to the limits as rounding permits
            break
        length = min(1.0, 0.995 * min(_longest(slacks, slack_change), _longest(multipliers, multiplier_change)))
        coefficients = coefficients + length * move
        slacks += length * slack_change
        multipliers = multipliers + length * multiplier_change
        if (slacks * multipliers).mean() < goal:
            yield Solution(coefficients, multipliers)
            goal *= 1e-3
    yield Solution(coefficients, multipliers)


def _predict_and_correct(
    problem: Problem, coefficients: NDArray[np.float64], slacks: NDArray[np.float64], multipliers: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Changes of coefficients, slacks and multipliers towards the optimum: a Newton step that stays central."""
    gradient = problem.gradient(coefficients)
    weights = multipliers / slacks
    solve_for = _factorise(problem, weights)

    def newton(centre: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """The step to the multipliers `centre`, less what the change of their slacks takes from them."""
        move = solve_for(-gradient - _pull(centre))
        change = _slack_change(move)
        return move, change, centre - multipliers - weights * change

    _, slack_change, multiplier_change = newton(np.zeros_like(slacks))
    length = min(_longest(slacks, slack_change), _longest(multipliers, multiplier_change))
    product = (slacks * multipliers).mean()
    reached = ((slacks + length * slack_change) * (multipliers + length * multiplier_change)).mean()
    return newton(((reached / product) ** 3 * product - slack_change * multiplier_change) / slacks)


def _factorise(problem: Problem, weights: NDArray[np.floating]) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """A function that solves H x = b for x (N, K), H the second derivative of objective + sum(weights * slacks^2) / 2.

    Raises:
        LinAlgError: rounding makes the matrix indefinite.
    """
    frames, count = problem.linear.shape
    hessian = np.zeros((count, count + 1))  # by column and diagonal: LAPACK's band storage, transposed
    for diagonal in range(count):
        hessian[: count - diagonal, diagonal] = np.diag(problem.hessian, -diagonal)
    at_zero, at_one, rising, falling = weights
    steps = (rising + falling)[:-1]
    band = np.empty((frames, count, count + 1))
    band[:] = hessian
    band[:, :, 0] += at_zero + at_one
    band[:-1, :, 0] += steps
    band[1:, :, 0] += steps
    band[:-1, :, -1] = -steps
    factor = cholesky_banded(band.reshape(-1, count + 1).T, overwrite_ab=True, lower=True, check_finite=False)
    return lambda right: cho_solve_banded((factor, True), right.ravel(), check_finite=False).reshape(frames, count)


def _longest(values: NDArray[np.float64], changes: NDArray[np.float64]) -> float:
    """The longest step, at most 1.01, at which positive `values` do not become negative."""
    falling = changes < 0
    return min(1.01, (-values[falling] / changes[falling]).min(initial=np.inf))


def _cvxopt_points(problem: Problem) -> Iterator[Solution]:
    """CVXOPT, the paper's solver, on sparse matrices and the scaled problem, at falling tolerances."""
    import cvxopt

    frames, count = problem.linear.shape
    size = frames * count
    identity = sparse.eye(size)
    # SciPy has no stubs: the checker takes the type of its default, 0, for that of `offsets`.
    differences = sparse.diags([-1.0, 1.0], [0, count], shape=(size - count, size))  # pyright: ignore[reportArgumentType]
    inequalities = sparse.vstack([-identity, identity, differences, -differences])
    limits = np.repeat([0.0, 1.0, problem.max_step], [size, size, 2 * (size - count)])
    # Of the scales that were tried, this loses the fewest digits where blendshapes are nearly dependent.
    scale = np.sqrt(np.diag(problem.hessian).mean())
    hessian = sparse.kron(sparse.eye(frames), problem.hessian / scale)
    matrices = (
        _cvxopt_matrix(hessian),
        cvxopt.matrix(problem.linear.reshape(-1, 1) / scale),
        _cvxopt_matrix(inequalities),
        cvxopt.matrix(limits.reshape(-1, 1)),
    )
    for tolerance in (1e-8, 1e-12):
        tolerances = dict(abstol=tolerance, reltol=1e-15, feastol=tolerance)
        options = dict(**tolerances, maxiters=_ITERATIONS, refinement=2, show_progress=False)
        result = cvxopt.solvers.qp(*matrices, options=options)
        multipliers = np.zeros((4, frames, count))
        ends = [size, 2 * size, 3 * size - count]
        for limit, values in zip(multipliers, np.split(scale * np.array(result["z"]).ravel(), ends), strict=True):
            limit.ravel()[: values.size] = values
        yield Solution(np.clip(np.array(result["x"]).reshape(frames, count), 0.0, 1.0), multipliers)


def _cvxopt_matrix(matrix: Any) -> Any:
    """A sparse matrix of SciPy as one of CVXOPT, which has no type stubs."""
    import cvxopt

    entries = sparse.coo_matrix(matrix)
    rows, columns = entries.row.astype(int).tolist(), entries.col.astype(int).tolist()
    return cvxopt.spmatrix(entries.data.tolist(), rows, columns, size=entries.shape)


SOLVERS = {"banded": _interior_points, "cvxopt": _cvxopt_points}
"""The solvers whose points `solve` starts from, by name."""
