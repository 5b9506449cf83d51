"""The optimum of the step-limited quadratic programme of Eq. 2 (Sec. 4.1), with proof.

The Hessian is block-diagonal with one block repeated and the constraints couple neighbouring frames only, so the
optimality system is block-tridiagonal. The problem comes divided by the smallest eigenvalue of B'B, hence
1-strongly convex, which turns the residuals of the optimality conditions into a rigorous bound on the distance to
the unique optimum (`optimality_bound`), in coefficients. No answer leaves uncertified.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import splu

CERTIFIED_ERROR = 1e-6
"""Largest admitted bound on the Euclidean distance between a segment's coefficients and the optimum."""

SEGMENT_FRAMES = 240
"""Frames solved at once; longer sequences are cut where that provably changes nothing."""


ROUNDING = 1e-12
"""Limits are known to be met, and constraints to be active, up to this much, in coefficients."""

_TOLERANCES = (1e-11, 1e-12)  # of the interior-point solvers; the second only where the first does not suffice


class UncertifiedError(RuntimeError):
    """The solver's answer could not be shown to be the optimum of Eq. 2."""


@dataclass(frozen=True)
class Problem:
    """Eq. 2 after the vertices are summed out, divided by the smallest eigenvalue of B'B.

    hessian: (K, K), smallest eigenvalue 1. linear: (N, K), the scaled B'(b0 - p^n). max_step: delta.
    """

    hessian: np.ndarray
    linear: np.ndarray
    max_step: float


@dataclass(frozen=True)
class Solution:
    """Primal and dual variables of a `Problem`; all multipliers are non-negative.

    coefficients, at_zero, at_one: (N, K); rising, falling: (N-1, K), of u^{n+1}-u^n <= delta and >= -delta.
    """

    coefficients: np.ndarray
    at_zero: np.ndarray
    at_one: np.ndarray
    rising: np.ndarray
    falling: np.ndarray

    def first(self, frames: int) -> "Solution":
        """The part for the first `frames` frames."""
        return Solution(
            self.coefficients[:frames],
            self.at_zero[:frames],
            self.at_one[:frames],
            self.rising[: frames - 1],
            self.falling[: frames - 1],
        )


def solve(problem: Problem, solver="piqp", segment_frames=SEGMENT_FRAMES) -> np.ndarray:
    """(N, K) optimum of a `Problem`, segment by segment.

    A window is solved without regard to the frames after it and cut at an inner frame where no step limit is
    active. The multipliers across such a cut vanish, so the part before it is optimal by itself; if the next
    window, again solved by itself, happens to respect the step limit across the cut, then the two together
    satisfy the optimality conditions of the undivided problem. If it does not, the cut is withdrawn and a
    longer window solved. Time and memory are linear in N as long as cuts can be found.
    """
    total = len(problem.linear)
    coefficients = np.empty_like(problem.linear)
    accepted = []  # starts of the segments accepted so far
    start, length = 0, segment_frames
    while True:
        stop = min(start + length, total)
        window = Problem(problem.hessian, problem.linear[start:stop], problem.max_step)
        solution = _solve_window(window, solver)
        if start > 0:
            seam = np.abs(solution.coefficients[0] - coefficients[start - 1]).max()
            if seam > problem.max_step * (1 + 1e-9):
                start = accepted.pop()
                length = 2 * (stop - start)
                continue
        if stop == total:
            coefficients[start:] = solution.coefficients
            return coefficients
        cut = _slack_frame(solution.coefficients, problem.max_step)
        if cut is None:
            length *= 2
            continue
        _certify(Problem(problem.hessian, window.linear[:cut], problem.max_step), solution.first(cut), solver)
        coefficients[start : start + cut] = solution.coefficients[:cut]
        accepted.append(start)
        start, length = start + cut, segment_frames


def optimality_bound(problem: Problem, solution: Solution) -> float:
    """Upper bound on the Euclidean norm of coefficients - optimum, from the optimality conditions alone.

    With a feasible u, multipliers z >= 0, r the residual of stationarity and g = sum of z times slack, strong
    convexity with modulus 1 gives |u - u*|^2 <= |r| |u - u*| + g. It is the optimum for limits that are moved by
    at most `ROUNDING` from those given; answers that are farther outside the limits give infinity.
    """
    coefficients = solution.coefficients
    steps = np.diff(coefficients, axis=0)
    tension = solution.rising - solution.falling
    stationarity = coefficients @ problem.hessian + problem.linear + solution.at_one - solution.at_zero
    stationarity[:-1] -= tension
    stationarity[1:] += tension

    pairs = (
        (solution.at_zero, coefficients),
        (solution.at_one, 1 - coefficients),
        (solution.rising, problem.max_step - steps),
        (solution.falling, problem.max_step + steps),
    )
    lowest = min(min(multiplier.min(initial=0), slack.min(initial=0)) for multiplier, slack in pairs)
    if not (np.isfinite(stationarity).all() and lowest > -ROUNDING):
        return np.inf
    gap = sum((multiplier * np.maximum(slack - ROUNDING, 0)).sum() for multiplier, slack in pairs)
    residual = np.linalg.norm(stationarity)
    return 0.5 * (residual + np.sqrt(residual**2 + 4 * gap))


def _slack_frame(coefficients, max_step):
    """Where to cut a window: the frame of its second half before which every step limit is slackest.

    The last eighth is spared, since there the missing future still shows. None if the limits bind everywhere.
    """
    count = len(coefficients)
    low, high = count // 2, count - max(1, count // 8)
    if high <= low or low < 1:
        return None
    slack = max_step - np.abs(np.diff(coefficients, axis=0)).max(axis=1)  # before frames 1 .. count-1
    cut = low + int(slack[low - 1 : high - 1].argmax())
    return cut if slack[cut - 1] > 0.02 * max_step else None


def _solve_window(problem, solver):
    if (problem.linear >= 0).all():  # the gradient at the template already points into the box
        zeros = np.zeros_like(problem.linear)
        return Solution(zeros, problem.linear, zeros, zeros[1:], zeros[1:])
    for tolerance in _TOLERANCES:
        solution = SOLVERS[solver](problem, tolerance)
        if optimality_bound(problem, solution) <= CERTIFIED_ERROR:
            break
        solution = _polish(problem, solution)
        if optimality_bound(problem, solution) <= CERTIFIED_ERROR:
            break
    _certify(problem, solution, solver)
    return solution


def _polish(problem, solution, rounds=6):
    """From an interior-point answer to the optimum, exact to rounding, by the primal-dual active set method.

    Constraints whose multiplier exceeds their slack are taken as active (Hintermueller et al. 2003), the linear
    system that they leave, [P A'; A 0], is solved, and so on until the answer passes `optimality_bound`. Solving
    for the change, with a tiny -1e-9 I in the corner that iterative refinement undoes, admits dependent
    constraints, and leaves their multipliers near the interior point's, where they are positive.
    """
    frames, count = problem.linear.shape
    size = frames * count
    identity, differences = sparse.eye(size, format="csr"), _difference_matrix(frames, count).tocsr()
    constraints = sparse.vstack([-identity, identity, differences, -differences], format="csr")
    limits = np.repeat([0.0, 1.0, problem.max_step], [size, size, 2 * (size - count)])
    hessian = sparse.kron(sparse.eye(frames), problem.hessian)
    ends = np.cumsum([size, size, size - count])

    best, best_bound = solution, optimality_bound(problem, solution)
    multipliers = np.concatenate([solution.at_zero, solution.at_one, solution.rising, solution.falling]).ravel()
    slack = limits - constraints @ solution.coefficients.ravel()
    answer = solution.coefficients.ravel()
    for _ in range(rounds):
        active = np.flatnonzero(multipliers > slack)
        chosen = constraints[active]
        exact = sparse.bmat([[hessian, chosen.T], [chosen, None]], format="csc")
        corner = sparse.block_diag([sparse.csc_matrix((size, size)), 1e-9 * sparse.eye(len(active))], format="csc")
        factor = splu(exact - corner)
        right = np.concatenate([-problem.linear.ravel(), limits[active]])
        both = np.concatenate([answer, multipliers[active]])
        for _ in range(4):
            both += factor.solve(right - exact @ both)
        answer = both[:size]
        multipliers = np.zeros(len(limits))
        multipliers[active] = both[size:]
        slack = limits - constraints @ answer
        slack[active] = 0.0
        parts = np.split(np.maximum(multipliers, 0.0).reshape(-1, count), ends // count)
        candidate = Solution(_feasible(answer.reshape(frames, count)), *parts)
        bound = optimality_bound(problem, candidate)
        if bound < best_bound:
            best, best_bound = candidate, bound
        if best_bound <= CERTIFIED_ERROR:
            break
    return best


def _certify(problem, solution, solver):
    bound = optimality_bound(problem, solution)
    if not bound <= CERTIFIED_ERROR:
        raise UncertifiedError(
            f"{solver}'s answer for {len(problem.linear)} frames may be {bound:.1e} away from the optimum of "
            f"Eq. 2 (admitted: {CERTIFIED_ERROR:.0e}); the blendshapes may be nearly dependent: try a small ridge"
        )


def _difference_matrix(frames, count):
    """((N-1) K, N K) first differences over frames."""
    rows = (frames - 1) * count
    return sparse.diags([-np.ones(rows), np.ones(rows)], [0, count], shape=(rows, rows + count), format="csc")


def _feasible(coefficients):
    return np.clip(coefficients, 0.0, 1.0)


def _solve_piqp(problem, tolerance):
    """PIQP, whose multistage backend factorises the block-tridiagonal optimality system frame by frame."""
    import piqp

    frames, count = problem.linear.shape
    size = frames * count
    hessian = sparse.kron(sparse.eye(frames), np.triu(problem.hessian), format="csc")
    # Of the modest scales that were tried this loses the fewest digits where blendshapes are nearly dependent.
    scale = np.sqrt(np.diag(problem.hessian).mean())
    bounds = dict(x_l=np.zeros(size), x_u=np.ones(size))
    if frames > 1:
        limit = np.full(size - count, problem.max_step)
        bounds.update(G=_difference_matrix(frames, count), h_l=-limit, h_u=limit)
    engine = piqp.SparseSolver()
    settings = engine.settings
    settings.kkt_solver = piqp.KKTSolver.sparse_multistage if frames > 1 else piqp.KKTSolver.sparse_ldlt
    settings.eps_abs = settings.eps_duality_gap_abs = tolerance
    settings.eps_rel = settings.eps_duality_gap_rel = 0.0
    # The certificate is what decides: an answer that stalls just above these tolerances may well pass it.
    settings.max_iter = 40
    engine.setup(hessian / scale, problem.linear.ravel() / scale, **bounds)
    engine.solve()
    result = engine.result
    return Solution(
        _feasible(result.x.reshape(frames, count)),
        scale * result.z_bl.reshape(frames, count),
        scale * result.z_bu.reshape(frames, count),
        scale * result.z_u.reshape(frames - 1, count),
        scale * result.z_l.reshape(frames - 1, count),
    )


def _solve_cvxopt(problem, tolerance):
    """CVXOPT, the paper's solver, on sparse matrices and the scaled problem."""
    import cvxopt

    frames, count = problem.linear.shape
    size = frames * count
    identity, differences = sparse.eye(size), _difference_matrix(frames, count)
    inequalities = sparse.vstack([-identity, identity, differences, -differences], format="coo")
    limits = np.concatenate([np.zeros(size), np.ones(size), np.full(2 * (size - count), problem.max_step)])
    hessian = sparse.kron(sparse.eye(frames), problem.hessian, format="coo")
    options = dict(show_progress=False, abstol=tolerance, reltol=1e-15, feastol=tolerance, maxiters=60, refinement=2)
    result = cvxopt.solvers.qp(
        _cvxopt_matrix(hessian),
        cvxopt.matrix(problem.linear.reshape(-1, 1)),
        _cvxopt_matrix(inequalities),
        cvxopt.matrix(limits.reshape(-1, 1)),
        options=options,
    )
    multipliers = np.array(result["z"]).ravel()
    at_zero, at_one, rising, falling = np.split(multipliers, [size, 2 * size, 3 * size - count])
    return Solution(
        _feasible(np.array(result["x"]).reshape(frames, count)),
        at_zero.reshape(frames, count),
        at_one.reshape(frames, count),
        rising.reshape(frames - 1, count),
        falling.reshape(frames - 1, count),
    )


def _cvxopt_matrix(matrix):
    import cvxopt

    rows, columns = matrix.row.astype(int).tolist(), matrix.col.astype(int).tolist()
    return cvxopt.spmatrix(matrix.data.tolist(), rows, columns, size=matrix.shape)


SOLVERS = {"piqp": _solve_piqp, "cvxopt": _solve_cvxopt}
