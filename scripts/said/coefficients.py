"""Blendshape coefficients of mesh sequences: the quadratic programme of Eq. 2 (Sec. 4.1).

Given a template b0, blendshapes b1..bK and frames p1..pN, find

    min  sum_n || p^n - (b0 + B u^n) ||^2,   B = [b1 - b0 | ... | bK - b0]
    s.t. 0 <= u^n_k <= 1  and  |u^{n+1}_k - u^n_k| <= max_step.

The vertices are summed out here, frame by frame; `said.quadratic_program` finds the optimum and proves it.
"""

import numpy as np

from said.quadratic_program import SOLVERS, Problem, UncertifiedError, solve
from said.rig import reconstruct
from said.units import size_fault, size_of

__all__ = ["UncertifiedError", "fit_coefficients", "reconstruct", "standard_deviation", "vertex_rms"]
_CHUNK_BYTES = 4 * 2**20  # of frames held in float64 at a time: about what a processor caches
_SNAP = 1e-10  # coefficients this close to a bound are put on it


def fit_coefficients(template, blendshapes, frames, max_step=0.1, solver="banded", *, ridge=0.0, names=None):
    """The unique coefficients that bring the blendshapes closest to every frame of a sequence (Eq. 2).

    Args:
        template: (V, 3) float, the neutral face b0.
        blendshapes: (K, V, 3) float, absolute vertex positions, in the template's unit of length.
        frames: (N, V, 3) float, N >= 1; read in pieces, so a memory-mapped array stays on disk.
        max_step: largest change of a coefficient between consecutive frames, > 0; 0.1 in the paper.
        solver: "banded" (linear in N) or "cvxopt" (the paper's; the same answer, but slower, and sentences only:
            its memory does not suffice for minutes).
        ridge: adds `ridge` times the mean squared norm of a blendshape to the diagonal of B'B, which makes
            linearly dependent blendshapes solvable; 0 is the paper's problem.
        names: K names of the blendshapes, for error messages.

    Returns:
        (N, K) float64 in [0, 1], certified to lie within 1e-6 of the optimum and usually within 1e-10.

    Raises:
        ValueError: wrong shapes, values that are not finite, blendshapes or frames in another unit of length than
            the template, max_step or ridge out of range, blendshapes that are zero, equal or linearly dependent (the
            optimum is then not unique), unknown solver.
        UncertifiedError: the solver's answer fails the optimality check.
    """
    if solver not in SOLVERS:
        raise ValueError(f"solver {solver!r} is unknown; choose one of {sorted(SOLVERS)}")
    if not (np.isfinite(max_step) and max_step > 0):
        raise ValueError(f"max_step must be a positive number, got {max_step}")
    if not (np.isfinite(ridge) and ridge >= 0):
        raise ValueError(f"ridge must be zero or a positive number, got {ridge}")
    template, blendshapes = _checked_basis(template, blendshapes, names)
    _check_frames_shape(frames, template)
    offsets = (blendshapes - template).reshape(len(blendshapes), -1)

    hessian = offsets @ offsets.T
    hessian += ridge * np.trace(hessian) / len(hessian) * np.eye(len(hessian))
    curvature = _smallest_curvature(hessian, names)
    linear = _project(template, offsets, frames)
    problem = Problem(hessian / curvature, linear / curvature, float(max_step))

    coefficients = solve(problem, solver)
    coefficients[coefficients < _SNAP] = 0.0
    coefficients[coefficients > 1 - _SNAP] = 1.0
    return coefficients


def standard_deviation(sequences) -> np.ndarray:
    """(K,) standard deviation of every coefficient over all frames of a list of (N_i, K) sequences.

    Divides by the number of frames less one, as the published `coeffs_std.csv` (pandas' convention).
    """
    frames = np.concatenate([np.asarray(sequence, float) for sequence in sequences])
    if len(frames) < 2:
        raise ValueError(f"a standard deviation needs at least two frames, got {len(frames)}")
    return frames.std(axis=0, ddof=1)


def vertex_rms(template, blendshapes, coefficients, frames):
    """Root mean squared distance between the frames' vertices and their reconstruction.

    Args: as of `fit_coefficients` and its result (N, K).
    Returns: per_frame (N,) over the vertices, per_vertex (V,) over the frames, in the vertices' unit.
    """
    _check_frames_shape(frames, np.asarray(template))
    per_frame = np.empty(len(frames))
    per_vertex = np.zeros(len(template))
    for part in _chunks(frames):
        difference = np.asarray(frames[part], float) - reconstruct(template, blendshapes, coefficients[part])
        squared = (difference**2).sum(axis=2)
        per_frame[part] = np.sqrt(squared.mean(axis=1))
        per_vertex += squared.sum(axis=0)
    return per_frame, np.sqrt(per_vertex / len(frames))


def _checked_basis(template, blendshapes, names):
    template = np.asarray(template, float)
    blendshapes = np.asarray(blendshapes, float)
    if template.ndim != 2 or template.shape[1] != 3:
        raise ValueError(f"template must be (V, 3), got {template.shape}")
    if blendshapes.ndim != 3 or blendshapes.shape[1:] != template.shape or len(blendshapes) == 0:
        raise ValueError(f"blendshapes must be (K, {len(template)}, 3) as the template, got {blendshapes.shape}")
    if names is not None and len(names) != len(blendshapes):
        raise ValueError(f"{len(names)} names were given for {len(blendshapes)} blendshapes")
    if not np.isfinite(template).all():
        raise ValueError(f"template vertex {_first_bad(template)} is not finite")
    for index, shape in enumerate(blendshapes):
        if not np.isfinite(shape).all():
            raise ValueError(f"{_name(index, names)}: vertex {_first_bad(shape)} is not finite")
        if fault := size_fault(float(size_of(shape)), float(size_of(template))):
            raise ValueError(f"{_name(index, names)}, beside the template, {fault}")
    return template, blendshapes


def _check_frames_shape(frames, template):
    shape = np.shape(frames)
    if len(shape) != 3 or shape[1:] != template.shape or shape[0] == 0:
        raise ValueError(f"frames must be (N, {len(template)}, 3) with N >= 1 as the template, got {shape}")


def _smallest_curvature(hessian, names):
    """Smallest eigenvalue of B'B; says which blendshapes are at fault where it vanishes."""
    norms = np.sqrt(np.diag(hessian))
    if not norms.max() > 0 or norms.min() <= 1e-9 * norms.max():
        index = int(norms.argmin())
        raise ValueError(f"{_name(index, names)} equals the template: its coefficient is undetermined; leave it out")
    correlation = hessian / np.outer(norms, norms)
    close = np.abs(np.triu(correlation, 1)) > 1 - 1e-12
    if close.any():
        first, second = (int(i[0]) for i in np.nonzero(close))
        raise ValueError(
            f"{_name(first, names)} and {_name(second, names)} are multiples of each other: "
            "their coefficients are undetermined; leave one out or set ridge"
        )
    eigenvalues, eigenvectors = np.linalg.eigh(hessian)
    if eigenvalues[0] <= 1e-13 * eigenvalues[-1]:
        involved = np.argsort(-np.abs(eigenvectors[:, 0]))[:4]
        listed = ", ".join(_name(int(i), names) for i in involved)
        raise ValueError(f"the blendshapes are linearly dependent (chiefly {listed}); leave one out or set ridge")
    return eigenvalues[0]


def _project(template, offsets, frames):
    """(N, K) B'(b0 - p^n), reading the frames in pieces and refusing values that are not finite or in another unit."""
    linear, expected = np.empty((len(frames), len(offsets))), size_of(template)
    for part in _chunks(frames):
        piece = np.asarray(frames[part], float)
        # Subtracting before multiplying keeps the result exact to rounding where the face hardly moves.
        motion = (template - piece).reshape(-1, template.size)
        linear[part] = motion @ offsets.T
        if not np.isfinite(linear[part]).all():
            bad = part.start + int(np.nonzero(~np.isfinite(motion).all(axis=1))[0][0])
            raise ValueError(f"frame {bad}: vertex {_first_bad(np.asarray(frames[bad]))} is not finite")
        # A frame this close to the template is neither a fifth nor five times as large; that saves a pass over all.
        moved = np.sqrt(np.einsum("nc,nc->n", motion, motion) / len(template)) > 0.8 * expected
        for frame in np.flatnonzero(moved):
            if fault := size_fault(float(size_of(piece[frame])), float(expected)):
                raise ValueError(f"frame {part.start + frame}, beside the template, {fault}")
    return linear


def _chunks(frames):
    per_frame = 8 * int(np.prod(np.shape(frames)[1:]))
    size = max(1, _CHUNK_BYTES // per_frame)
    for start in range(0, len(frames), size):
        yield slice(start, min(start + size, len(frames)))


def _first_bad(vertices):
    return int(np.nonzero(~np.isfinite(vertices).all(axis=1))[0][0])


def _name(index, names):
    return f"blendshape {index}" if names is None else f"blendshape {names[index]}"
