"""What it costs that every job holds its inputs against their sums, and signs what it made.

    python workflow_tests/benchmarks/bench_sums.py [--frames 10000] [--folder /scratch]

A speaker's folder of sequences as the paper's is written to the folder: so many frames of 5,023 vertices, sentence by
sentence; 10,000 frames are 0.6 GB. `sign` and `verify` read all of it. `read` reads as much and does nothing with it:
what the disk, or the page cache, can give. `fit` is the cheapest job that reads it, Eq. 2 for 32 blendshapes and its
error, as a whole, imports and all. Each is a process of its own; shares are of the CPU time of `fit`. `small` is what
a job of ten files of 10 kB pays.
"""

import argparse
import multiprocessing
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from said.coefficients import fit_coefficients, vertex_rms
from said.files.arrays import read_frames, write_frames
from said.running import integrity

VERTICES, SENTENCE = 5023, 250


def _face() -> tuple[np.ndarray, np.ndarray]:
    """A template and 32 blendshapes, of which each moves a part."""
    rng = np.random.default_rng(0)
    template = rng.normal(size=(VERTICES, 3)) / 10
    moved = rng.normal(size=(32, VERTICES, 3)) / 100 * (rng.random((32, VERTICES, 1)) < 0.2)
    return template, template + moved


def write(folder: Path, frames: int) -> None:
    template, blendshapes = _face()
    rng = np.random.default_rng(1)
    for number in range(max(1, frames // SENTENCE)):
        time_ = np.linspace(0, 6, SENTENCE)[:, None] + rng.random(32) * 6
        values = 0.5 + 0.5 * np.sin(time_)
        motion = np.tensordot(values, blendshapes - template, 1)
        write_frames(folder / f"sentence{number + 1:02d}.npy", template + motion)


def sign(folder: Path) -> None:
    integrity.write_sums(folder)


def verify(folder: Path) -> None:
    integrity.verify([folder])


def read(folder: Path) -> None:
    for path in sorted(folder.glob("*.npy")):
        with path.open("rb") as file:
            while file.read(2**20):
                pass


def fit(folder: Path) -> None:
    template, blendshapes = _face()
    for path in sorted(folder.glob("*.npy")):
        frames = read_frames(path)
        vertex_rms(template, blendshapes, fit_coefficients(template, blendshapes, frames), frames)


def small(folder: Path) -> None:
    paths = [folder / f"{number}.json" for number in range(10)]
    for path in paths:
        path.write_bytes(bytes(10_000))
        integrity.write_sums(path)
    integrity.verify(paths)


def _job(work, folder: Path, results) -> None:
    begin, before = time.perf_counter(), 0.0 if work is fit else time.process_time()
    start = _peak()
    work(folder)
    results.put((time.perf_counter() - begin, time.process_time() - before, _peak() - start))


def _peak() -> float:
    """MiB. Not ru_maxrss, which a process inherits from the one that started it."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024


def measure(work, folder: Path) -> tuple[float, float, float]:
    """Seconds, CPU seconds and the MiB that a process of its own takes for it."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=_job, args=(work, folder, results))
    process.start()
    found = results.get()
    process.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="said-sums-", dir=options.folder))
    try:
        folder = base / "sequences/speaker"
        write(folder, options.frames)
        (base / "small").mkdir()
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e9
        found = {work.__name__: measure(work, folder) for work in (read, sign, verify, fit)}
        found["small"] = measure(small, base / "small")
        print(f"{size:.2f} GB\n           s    CPU s   GB/s CPU   MiB   share of fit")
        for name, (seconds, cpu, memory) in found.items():
            rate = "" if name == "small" else f"{size / max(cpu, 1e-9):10.2f}"
            print(f"{name:6} {seconds:7.3f} {cpu:8.3f} {rate:>10} {memory:6.1f} {cpu / found['fit'][1]:10.2%}")
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
