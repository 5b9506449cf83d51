"""Time, memory and error of the QP of Eq. 2, per solver and number of frames.

    python workflow_tests/benchmarks/bench_coefficients.py [--long 36000]

Each measurement runs in a process of its own, so that its peak memory is its own. Dense CVXOPT is the formulation of
the paper's authors. The error is the largest difference from the optimum, known to rounding by `piqp` and certified;
the motion is smooth and random, on 32 random smooth blendshapes of 1,200 vertices.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from said.quadratic_program import Problem, solve


def problem(frames: int, count: int = 32, vertices: int = 1200) -> Problem:
    """A problem as stiff as that of a face: blendshapes overlap, residuals and step limits matter."""
    rng = np.random.default_rng(0)
    offsets = rng.normal(size=(count, 3 * vertices)) * np.geomspace(1, 0.1, count)[:, None]
    offsets[1::2] += 3 * offsets[::2]
    time_axis = np.arange(frames)[:, None] / 60
    truth = 0.5 + 0.7 * np.sin(2 * np.pi * rng.uniform(0.2, 1.5, count) * time_axis + rng.uniform(0, 6, count))
    hessian = offsets @ offsets.T
    scale = np.linalg.eigvalsh(hessian)[0]
    return Problem(hessian / scale, -truth @ hessian / scale + 0.1 * rng.normal(size=(frames, count)), 0.1)


def dense_cvxopt(task: Problem) -> np.ndarray:
    """The authors' way: dense matrices, default tolerances."""
    import cvxopt

    frames, count = task.linear.shape
    size = frames * count
    differences = np.eye(size)[count:] - np.eye(size)[:-count]
    inequalities = np.vstack([-np.eye(size), np.eye(size), differences, -differences])
    limits = np.repeat([0.0, 1.0, task.max_step], [size, size, 2 * (size - count)])
    matrices = (np.kron(np.eye(frames), task.hessian), task.linear.reshape(-1, 1), inequalities, limits.reshape(-1, 1))
    result = cvxopt.solvers.qp(*map(cvxopt.matrix, matrices), options=dict(show_progress=False))
    return np.array(result["x"]).reshape(frames, count)


def measure(solver: str, frames: int) -> str:
    task = problem(frames)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    answer = dense_cvxopt(task) if solver == "dense" else solve(task, solver)
    seconds = time.perf_counter() - start
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    error = np.nan if solver == "piqp" else np.abs(answer - solve(task)).max()
    return f"{solver:8} {frames:7d} {seconds:9.3f} {memory:9.0f} {error:10.1e}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--long", type=int, default=36000, help="frames of the long run, PIQP only")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(measure(arguments.one[0], int(arguments.one[1])))
        return
    print(f"{'solver':8} {'frames':>7} {'seconds':>9} {'MiB':>9} {'error':>10}")
    runs = [(solver, frames) for frames in (60, 120, 240) for solver in ("piqp", "cvxopt", "dense")]
    for solver, frames in [*runs, ("piqp", arguments.long)]:
        subprocess.run([sys.executable, __file__, "--one", solver, str(frames)], check=True)


if __name__ == "__main__":
    main()
