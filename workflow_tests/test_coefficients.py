"""The QP of Eq. 2: golden optimum, independent optimality checks, edge cases."""

import itertools
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from conftest import ROOT

from said import coefficients as fit
from said import quadratic_program as qp
from said.rig import reconstruct

SOLVERS = ["banded", "cvxopt"]
PYTHON_PATH = {"PYTHONPATH": str(ROOT / "scripts"), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def shapes(rng):
    """Template and five blendshapes on 40 vertices, about a head's size in metres."""
    template = rng.normal(size=(40, 3)) * 0.05
    return template, template + rng.normal(size=(5, 40, 3)) * 0.004


def wandering(rng, frames, count):
    """Coefficients that jump more than a step allows and leave the box."""
    return np.clip(np.cumsum(rng.normal(size=(frames, count)) * 0.15, axis=0) + 0.4, -0.3, 1.3)


@pytest.fixture(scope="session")
def golden(official):
    data = np.load(official / "golden" / "qp120_golden.npz")
    blendshapes = data["B"].T.reshape(32, -1, 3)
    return data["b0"].reshape(-1, 3), blendshapes, data["frames"].reshape(120, -1, 3), data["u_star_1e12"]


@pytest.mark.parametrize("solver", SOLVERS)
def test_golden_optimum(golden, solver):
    template, blendshapes, frames, optimum = golden
    coefficients = fit.fit_coefficients(template, blendshapes, frames, 0.1, solver)
    assert np.abs(coefficients - optimum).max() <= 1e-6


def test_unit_of_length_does_not_matter(golden):
    template, blendshapes, frames, optimum = golden
    coefficients = fit.fit_coefficients(1e3 * template, 1e3 * blendshapes, 1e3 * frames)
    assert np.abs(coefficients - optimum).max() <= 1e-6


def problem_of(template, blendshapes, frames, max_step=0.1):
    """Eq. 2 set up independently of `fit_coefficients`."""
    offsets = (blendshapes - template).reshape(len(blendshapes), -1)
    hessian = offsets @ offsets.T
    scale = np.linalg.eigvalsh(hessian)[0]
    return qp.Problem(hessian / scale, (template - frames).reshape(len(frames), -1) @ offsets.T / scale, max_step)


@pytest.mark.parametrize("max_step", [0.012, 0.1, 1.0])
@pytest.mark.parametrize("condition", [1.0, 7e4])
def test_solvers_agree_however_stiff_the_problem(rng, condition, max_step):
    """From orthogonal blendshapes to nearly dependent ones, from limits that bind everywhere to none that does."""
    axes = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    hessian = (axes * np.geomspace(1, condition, 12)) @ axes.T
    for targets in (wandering(rng, 50, 12), rng.normal(size=(50, 12)), np.linspace(0, 1, 50)[:, None] * np.ones(12)):
        problem = qp.Problem(hessian, -targets @ hessian, max_step)
        banded, cvxopt = (qp.solve(problem, solver) for solver in SOLVERS)
        assert np.abs(banded - cvxopt).max() <= 1e-6


def test_solvers_agree_on_a_face(golden):
    banded, cvxopt = (fit.fit_coefficients(*golden[:3], 0.1, solver) for solver in SOLVERS)
    assert np.abs(banded - cvxopt).max() <= 1e-6


def test_ten_minutes_stay_under_a_gigabyte():
    """Memory grows by the same amount for each further frame, and 36,000 frames of 32 blendshapes fit in 1 GB."""
    code = """
import re, sys
from pathlib import Path
import numpy as np
from said.quadratic_program import Problem, solve
rng = np.random.default_rng(0)
targets = 0.5 + 0.6 * np.sin(np.arange(int(sys.argv[1]))[:, None] / 20 + rng.uniform(0, 6, 32))
solve(Problem(np.eye(32), -targets, 0.1))
# Not ru_maxrss, which a process inherits from the one that started it.
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024)
"""

    def peak(frames):
        command = [sys.executable, "-c", code, str(frames)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | PYTHON_PATH)
        return float(done.stdout)

    few, some, more = peak(1000), peak(4000), peak(7000)
    assert more - some == pytest.approx(some - few, rel=0.25)
    assert few + 35 * max(some - few, more - some) / 3 < 1000


@pytest.mark.parametrize("solver", SOLVERS)
def test_recovers_feasible_coefficients_exactly(shapes, rng, solver):
    template, blendshapes = shapes
    truth = 0.5 + 0.45 * np.sin(np.linspace(0, 6, 90)[:, None] + rng.uniform(0, 6, 5))
    frames = reconstruct(template, blendshapes, truth)
    assert np.abs(fit.fit_coefficients(template, blendshapes, frames, 0.1, solver) - truth).max() <= 1e-7


def test_no_feasible_neighbour_is_better(shapes, rng):
    """The optimum beats random feasible coefficients and every mixture with them (convexity)."""
    template, blendshapes = shapes
    frames = reconstruct(template, blendshapes, wandering(rng, 30, 5)) + rng.normal(size=(30, 40, 3)) * 1e-3
    best = fit.fit_coefficients(template, blendshapes, frames)
    assert best.min() >= 0 and best.max() <= 1 and np.abs(np.diff(best, axis=0)).max() <= 0.1 + 1e-9

    def objective(coefficients):
        return ((frames - reconstruct(template, blendshapes, coefficients)) ** 2).sum()

    for share, _ in itertools.product((1e-3, 1e-2, 1.0), range(10)):
        other = np.clip(np.cumsum(rng.uniform(-0.1, 0.1, (30, 5)), axis=0) + rng.uniform(), 0, 1)
        assert objective(best + share * (other - best)) >= objective(best)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("count", [1, 2])
def test_shortest_sequences(shapes, rng, solver, count):
    template, blendshapes = shapes
    truth = np.clip(0.3 + 0.05 * rng.normal(size=(count, 5)), 0, 1)
    frames = reconstruct(template, blendshapes, truth)
    fitted = fit.fit_coefficients(template, blendshapes, frames, 0.5, solver)
    assert fitted.shape == (count, 5) and np.abs(fitted - truth).max() <= 1e-7


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("count", [1, 6])
def test_the_middle_of_the_box_may_be_the_optimum(solver, count):
    """Exactly: no slope at the point where the interior-point method begins."""
    template, blendshapes = np.zeros((3, 3)), np.stack([np.eye(3)[[k, k, k]] for k in range(3)])
    frames = reconstruct(template, blendshapes, np.full((count, 3), 0.5))
    assert (fit.fit_coefficients(template, blendshapes, frames, 0.1, solver) == 0.5).all()


def test_one_blendshape_in_closed_form():
    """With one blendshape of one moving vertex, two frames: targets 0 and 1 meet half way, delta apart."""
    template, blendshapes = np.zeros((2, 3)), np.zeros((1, 2, 3))
    blendshapes[0, 1, 0] = 2.0
    frames = np.zeros((2, 2, 3))
    frames[1, 1, 0] = 2.0
    assert np.allclose(fit.fit_coefficients(template, blendshapes, frames, 0.1)[:, 0], [0.45, 0.55], atol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_template_frames_give_exact_zeros(shapes, solver):
    template, blendshapes = shapes
    frames = np.repeat(template[None], 25, axis=0)
    assert (fit.fit_coefficients(template, blendshapes, frames, 0.1, solver) == 0).all()


def test_reads_a_memory_map(shapes, rng, tmp_path):
    template, blendshapes = shapes
    frames = reconstruct(template, blendshapes, wandering(rng, 50, 5)).astype(np.float32)
    np.save(tmp_path / "frames.npy", frames)
    mapped = np.load(tmp_path / "frames.npy", mmap_mode="r")
    in_memory = fit.fit_coefficients(template, blendshapes, frames)
    assert (fit.fit_coefficients(template, blendshapes, mapped) == in_memory).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_refuses_values_that_are_not_finite(shapes, bad):
    template, blendshapes = shapes
    frames = np.repeat(template[None], 9, axis=0)
    frames[7, 3, 1] = bad
    with pytest.raises(ValueError, match="frame 7: vertex 3 "):
        fit.fit_coefficients(template, blendshapes, frames)
    broken = blendshapes.copy()
    broken[2, 5, 0] = bad
    with pytest.raises(ValueError, match="blendshape 2: vertex 5 "):
        fit.fit_coefficients(template, broken, frames)


def test_names_the_blendshapes_at_fault(shapes):
    template, blendshapes = shapes
    frames = np.repeat(template[None], 3, axis=0)
    names = ["jawOpen", "mouthClose", "mouthLeft", "mouthRight", "cheekPuff"]
    twice = blendshapes.copy()
    twice[4] = template + 0.5 * (twice[1] - template)
    with pytest.raises(ValueError, match="mouthClose and blendshape cheekPuff are multiples"):
        fit.fit_coefficients(template, twice, frames, names=names)
    assert fit.fit_coefficients(template, twice, frames + 1e-3, ridge=1e-6).shape == (3, 5)
    still = blendshapes.copy()
    still[3] = template
    with pytest.raises(ValueError, match="mouthRight equals the template"):
        fit.fit_coefficients(template, still, frames, names=names)
    mixed = blendshapes.copy()
    mixed[0] = template + (mixed[1] - template) + (mixed[2] - template)
    with pytest.raises(ValueError, match="linearly dependent"):
        fit.fit_coefficients(template, mixed, frames)


def test_refuses_wrong_arguments(shapes):
    template, blendshapes = shapes
    frames = np.repeat(template[None], 3, axis=0)
    for max_step in (0, -0.1, np.nan):
        with pytest.raises(ValueError, match="max_step"):
            fit.fit_coefficients(template, blendshapes, frames, max_step)
    with pytest.raises(ValueError, match=r"frames must be \(N, 40, 3\)"):
        fit.fit_coefficients(template, blendshapes, frames[:, :39])
    with pytest.raises(ValueError, match="frames"):
        fit.fit_coefficients(template, blendshapes, frames[:0])
    with pytest.raises(ValueError, match="blendshapes must be"):
        fit.fit_coefficients(template, blendshapes[:, :39], frames)
    with pytest.raises(ValueError, match="solver"):
        fit.fit_coefficients(template, blendshapes, frames, solver="simplex")


def test_certificate_bounds_the_error_of_wrong_answers(shapes, rng):
    template, blendshapes = shapes
    problem = problem_of(template, blendshapes, reconstruct(template, blendshapes, wandering(rng, 20, 5)))
    *_, start = qp._interior_points(problem)
    right, bound = qp._active_set(problem, start)
    assert bound < 1e-9
    for size in (1e-5, 1e-3, 1e-1):
        wrong = right.coefficients * (1 - size) + size * rng.uniform(size=(1, 5))  # feasible, and too even
        error = np.linalg.norm(wrong - right.coefficients)
        assert qp.optimality_bound(problem, replace(right, coefficients=wrong)) >= error - 1e-9
        multipliers = right.multipliers + size
        assert qp.optimality_bound(problem, replace(right, multipliers=multipliers)) > 1e-6
    assert qp.optimality_bound(problem, replace(right, coefficients=right.coefficients - 0.1)) == np.inf
    assert qp.optimality_bound(problem, replace(right, multipliers=-right.multipliers - 1e-3)) == np.inf
    assert qp.optimality_bound(problem, replace(right, coefficients=right.coefficients * np.nan)) == np.inf


def test_an_answer_without_certificate_is_refused(shapes, rng, monkeypatch):
    template, blendshapes = shapes
    frames = reconstruct(template, blendshapes, wandering(rng, 20, 5))
    monkeypatch.setattr(qp, "_ITERATIONS", 3)  # too few to come near the optimum
    monkeypatch.setattr(qp, "_ACTIVE_SET_ROUNDS", 0)
    for solver in SOLVERS:
        with pytest.raises(qp.UncertifiedError, match=f"{solver}'s answer for 20 frames may be .* away"):
            fit.fit_coefficients(template, blendshapes, frames, solver=solver)


def test_ridge_is_that_of_eq_2_plus_a_penalty(shapes, rng):
    """Without active limits, the answer solves (B'B + ridge * mean(diag) I) u = B'(p - b0)."""
    template, blendshapes = shapes
    truth = 0.5 + 0.04 * rng.uniform(-1, 1, size=(6, 5))
    frames = reconstruct(template, blendshapes, truth)
    offsets = (blendshapes - template).reshape(5, -1)
    normal = offsets @ offsets.T
    damped = normal + 0.01 * np.diag(normal).mean() * np.eye(5)
    expected = np.linalg.solve(damped, offsets @ (frames - template).reshape(6, -1).T).T
    assert np.abs(fit.fit_coefficients(template, blendshapes, frames, ridge=0.01) - expected).max() < 1e-9
    for ridge in (-1e-3, np.inf):
        with pytest.raises(ValueError, match="ridge"):
            fit.fit_coefficients(template, blendshapes, frames, ridge=ridge)


def test_statistics(shapes, rng):
    template, blendshapes = shapes
    first, second = rng.uniform(size=(7, 5)), rng.uniform(size=(4, 5))
    expected = np.concatenate([first, second]).std(axis=0, ddof=1)
    assert np.allclose(fit.standard_deviation([first, second]), expected, atol=1e-15)

    frames = reconstruct(template, blendshapes, first)
    frames[2, 10] += [3e-3, 0, 4e-3]
    per_frame, per_vertex = fit.vertex_rms(template, blendshapes, first, frames)
    assert np.allclose(per_frame, np.where(np.arange(7) == 2, 5e-3 / np.sqrt(40), 0), atol=1e-12)
    assert np.allclose(per_vertex, np.where(np.arange(40) == 10, 5e-3 / np.sqrt(7), 0), atol=1e-12)
    with pytest.raises(ValueError, match="one column per blendshape"):
        reconstruct(template, blendshapes, first[:, :4])
