"""Time, memory and error of the QP of Eq. 2, per solver and number of frames.

    python workflow_tests/benchmarks/bench_coefficients.py [--long 36000] [--without-dense]

A synthetic speaker says a few sentences; longer sequences repeat them forwards and backwards. Each measurement runs in
a process of its own, on one thread. Seconds are of the processor, MiB the peak of the process, Python included.
`banded` and `cvxopt` are the workflow's, certified; `fit` is `fit_coefficients` from vertices on. `sparse` and `dense`
are CVXOPT at its default tolerances on metres, with P as a sparse matrix or, as the paper's authors have it, a dense
one; `piqp` is PIQP's multistage solver with P and q times 1e4. The error is the largest difference from the optimum,
which is certified and found by another solver.
"""

import argparse
import importlib.util
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is imported
import numpy as np
import scipy.sparse as sparse

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from said.coefficients import fit_coefficients
from said.quadratic_program import Problem, solve

MAX_STEP = 0.1


def record(folder: Path) -> None:
    """Leave a speaker in `folder`: template, blendshapes, 240 frames; the sums over the vertices of 2,000 and more."""
    from said.synthetic.actor import act, cast
    from said.synthetic.durations import schedule
    from said.synthetic.head import build_head
    from said.synthetic.identities import make_face, sample_identities
    from said.synthetic.sentences import sentences

    face, actor = make_face(build_head(), sample_identities(1, 0)[0]), cast(0, 1, 0)
    texts, clips = sentences(9, 0), []
    for number, text in enumerate(texts):
        phones = schedule(text, 1.0, np.random.default_rng(number))
        clips.append(act(actor, face, phones, take=0, noise=1.0)[1])
    frames = np.concatenate(clips)
    template, blendshapes = face.template, face.blendshapes
    offsets = (blendshapes - template).reshape(32, -1)
    linear = (template - frames).reshape(len(frames), -1) @ offsets.T
    shapes = {"template": template, "blendshapes": blendshapes, "frames": frames[:240]}
    np.savez(folder / "speaker.npz", hessian=offsets @ offsets.T, linear=linear, **shapes)


def in_metres(data, frames: int) -> Problem:
    """The QP as it stands, not scaled."""
    linear = data["linear"]
    there_and_back = np.concatenate([linear, linear[::-1]])
    repeated = np.resize(there_and_back, (frames, linear.shape[1]))
    return Problem(data["hessian"], repeated, MAX_STEP)


def certified(solver: str):
    def answer(task: Problem) -> np.ndarray:
        scale = np.linalg.eigvalsh(task.hessian)[0]
        return solve(Problem(task.hessian / scale, task.linear / scale, task.max_step), solver)

    return answer


def plain_cvxopt(hessian_of):
    """Default tolerances, metres; `hessian_of` turns the scipy matrix P into one of CVXOPT's."""

    def answer(task: Problem) -> np.ndarray:
        import cvxopt

        frames, count = task.linear.shape
        size = frames * count
        identity = sparse.eye(size)
        differences = sparse.diags([-1.0, 1.0], [0, count], shape=(size - count, size))
        inequalities = sparse.vstack([-identity, identity, differences, -differences])
        limits = np.repeat([0.0, 1.0, task.max_step], [size, size, 2 * (size - count)])
        matrices = (
            hessian_of(sparse.kron(sparse.eye(frames), task.hessian)),
            cvxopt.matrix(task.linear.reshape(-1, 1)),
            sparse_matrix(inequalities),
            cvxopt.matrix(limits.reshape(-1, 1)),
        )
        result = cvxopt.solvers.qp(*matrices, options={"show_progress": False})
        return np.array(result["x"]).reshape(frames, count)

    return answer


def dense_matrix(matrix):
    import cvxopt

    return cvxopt.matrix(matrix.toarray())


def sparse_matrix(matrix):
    import cvxopt

    matrix = matrix.tocoo()
    return cvxopt.spmatrix(matrix.data.tolist(), matrix.row.tolist(), matrix.col.tolist(), size=matrix.shape)


def piqp_multistage(task: Problem) -> np.ndarray:
    import piqp

    frames, count = task.linear.shape
    size = frames * count
    differences = sparse.diags([-1.0, 1.0], [0, count], shape=(size - count, size), format="csc")
    limit = np.full(size - count, task.max_step)
    engine = piqp.SparseSolver()
    engine.settings.kkt_solver = piqp.KKTSolver.sparse_multistage
    engine.setup(
        sparse.kron(sparse.eye(frames), 1e4 * np.triu(task.hessian), format="csc"),
        1e4 * task.linear.ravel(),
        G=differences,
        h_l=-limit,
        h_u=limit,
        x_l=np.zeros(size),
        x_u=np.ones(size),
    )
    engine.solve()
    return engine.result.x.reshape(frames, count)


ANSWERS = {
    "banded": certified("banded"),
    "cvxopt": certified("cvxopt"),
    "piqp": piqp_multistage,
    "sparse": plain_cvxopt(sparse_matrix),
    "dense": plain_cvxopt(dense_matrix),
}


def measure(folder: Path, solver: str, frames: int) -> None:
    """Answer one problem and leave coefficients (N, K), processor seconds and the process's peak in MiB in `folder`."""
    with np.load(folder / "speaker.npz") as data:
        if solver == "fit":
            arguments = data["template"], data["blendshapes"], data["frames"][:frames], MAX_STEP
        else:
            arguments = (in_metres(data, frames),)
    answer = fit_coefficients if solver == "fit" else ANSWERS[solver]
    start = time.process_time()
    coefficients = answer(*arguments)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    np.savez(folder / f"{solver}{frames}.npz", coefficients=coefficients, seconds=seconds, peak=peak)


def report(folder: Path, solvers: list[str], frames: int) -> None:
    """Measure the solvers, `banded` first, and print a line of each."""
    found = {}
    for solver in solvers:
        subprocess.run([sys.executable, __file__, "--measure", str(folder), solver, str(frames)], check=True)
        with np.load(folder / f"{solver}{frames}.npz") as file:
            found[solver] = dict(file)
        if solver == "cvxopt":
            print_line("banded", frames, found, reference="cvxopt")
        if solver != "banded":
            print_line(solver, frames, found, reference="banded")
    if len(found) == 1:
        print_line("banded", frames, found, reference=None)


def print_line(solver, frames, found, reference):
    one = found[solver]
    error = "" if reference is None else f"{np.abs(one['coefficients'] - found[reference]['coefficients']).max():.1e}"
    ratio = one["seconds"] / found["banded"]["seconds"]
    print(f"{solver:8} {frames:7d} {one['seconds']:9.3f} {one['peak']:7.0f} {error:>9} {ratio:8.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", type=int, default=36000, help="frames of the long run, `banded` only")
    parser.add_argument("--without-dense", action="store_true", help="leave out the slow one, half a minute and 2 GB")
    parser.add_argument("--record", help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.record:
        record(Path(arguments.record))
        return
    if arguments.measure:
        folder, solver, frames = arguments.measure
        measure(Path(folder), solver, int(frames))
        return
    rivals = ["fit", "sparse", "dense"]
    if importlib.util.find_spec("piqp"):
        rivals.insert(1, "piqp")
    if arguments.without_dense:
        rivals.remove("dense")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, "--record", folder], check=True)
        print(f"{'solver':8} {'frames':>7} {'seconds':>9} {'MiB':>7} {'error':>9} times banded")
        for frames in (60, 120, 240):
            report(Path(folder), ["banded", "cvxopt", *rivals], frames)
        report(Path(folder), ["banded"], arguments.long)


if __name__ == "__main__":
    main()
