"""Time, memory and agreement of the metrics' two long parts: latents of sliding windows, and WInD's mixtures.

    python workflow_tests/benchmarks/bench_metrics.py [--full]

Each measurement runs in a process of its own, so that its peak memory is its own; seconds are of wall clock and of CPU.
The plain ways are the encoder on every window by itself, in batches of 1024, and scikit-learn's GaussianMixture; both
run in the same call as ours, at a size that does not take all day. --full adds the paper's size, 80 clips x 72 samples
x 121 windows, for ours alone. Clips are 240 frames of smooth random motion; latents for the mixtures are smooth random
paths of 121 steps, eight around each of many centres, mixed to 64 correlated dimensions of very different spread.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.mixture import GaussianMixture

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from said.evaluation import latents, wind_repeats
from said.extractor import BlendshapeVAE
from said.metrics import wind
from said.mixtures import BlockwiseGaussianMixture

SAMPLES, FRAMES, WINDOWS = 72, 240, 121
PAPER_CLIPS = 80


def clip(seed: int) -> np.ndarray:
    """(72, 240, 32) samples of one clip."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 6, (SAMPLES, 1, 32)) + np.arange(FRAMES)[:, None] * rng.uniform(0.02, 0.2, 32)
    return (0.5 + 0.4 * np.sin(phase)).astype(np.float32)


def paths(rows: int, seed: int = 0) -> np.ndarray:
    """(about `rows`, 64) latents."""
    rng = np.random.default_rng(seed)
    count = rows // WINDOWS
    centres = rng.standard_t(4, size=(count // 8 + 1, 64)).repeat(8, 0)[:count, None]
    speed, start = rng.uniform(0.01, 0.1, (count, 1, 64)), rng.uniform(0, 6, (count, 1, 64))
    values = np.empty((count, WINDOWS, 64), np.float32)
    values[:] = centres
    values += 0.6 * np.sin(np.arange(WINDOWS)[:, None] * speed + start).astype(np.float32)
    values += 0.1 * rng.standard_normal(values.shape, dtype=np.float32)
    mixing = np.random.default_rng(1).normal(size=(64, 64)) / 8 * np.geomspace(2, 0.05, 64)
    return values.reshape(-1, 64) @ mixing.astype(np.float32)


@torch.no_grad()
def plain_latents(vae: BlendshapeVAE, samples: np.ndarray) -> np.ndarray:
    cut = np.lib.stride_tricks.sliding_window_view(samples, 120, axis=1).swapaxes(2, 3).reshape(-1, 120, 32)
    parts = [vae.encode(torch.from_numpy(cut[at : at + 1024].copy()))[0].numpy() for at in range(0, len(cut), 1024)]
    return np.concatenate(parts).reshape(len(samples), -1, 64)


def encode(way: str, clips: int) -> str:
    torch.manual_seed(0)
    vae = BlendshapeVAE().eval()
    function = {"plain": plain_latents, "ours": latents}[way]
    function(vae, clip(0)[:2])
    with measured() as spent:
        for seed in range(clips):
            function(vae, clip(seed))
    apart = np.abs(latents(vae, clip(0)) - plain_latents(vae, clip(0))).max()
    return f"latents    {way:13} {clips * SAMPLES * WINDOWS:8d} {spent} {'':12} differ by {apart:.0e}"


def fit(way: str, rows: int) -> str:
    values = paths(rows).astype(np.float64)
    reference = None
    if way != "full":
        reference = BlockwiseGaussianMixture(5, random_state=3).fit(values)
    with measured() as spent:
        if way in ("ours", "full"):
            mixture = BlockwiseGaussianMixture(5, random_state=3).fit(values)
        else:
            mixture = GaussianMixture(5, random_state=3).fit(values.astype(way.removeprefix("sklearn-")))
    apart = "" if reference is None else f"WInD to ours {wind(reference, mixture):.0e}"
    return f"mixture    {way:13} {len(values):8d} {spent} {mixture.n_iter_:4d} steps   {apart}"


def repeats(rows: int, threads: int) -> str:
    real, generated = paths(PAPER_CLIPS * WINDOWS, seed=1), paths(rows)
    with measured() as spent:
        values = wind_repeats(real, generated, 5, 10, 0, threads)
    return (
        f"WInD x 10  {threads} threads     {len(generated):8d} {spent} {'':12} {values.mean():.3f} ± {values.std():.3f}"
    )


class measured:  # noqa: N801, reads as a verb
    """Wall and CPU seconds of a block; peak memory of the process beyond what it had before."""

    def __enter__(self):
        self.before = resource.getrusage(resource.RUSAGE_SELF)
        self.start = time.perf_counter()
        return self

    def __exit__(self, *_):
        after = resource.getrusage(resource.RUSAGE_SELF)
        self.wall = time.perf_counter() - self.start
        self.cpu = after.ru_utime + after.ru_stime - self.before.ru_utime - self.before.ru_stime
        self.memory = after.ru_maxrss / 1024

    def __str__(self):
        return f"{self.wall:9.1f} {self.cpu:9.1f} {self.memory:9.0f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true", help="the paper's size too: some minutes, 3 GB")
    parser.add_argument("--rows", type=int, default=50_000, help="rows of the mixtures that are compared")
    parser.add_argument("--clips", type=int, default=4, help="clips whose latents are compared")
    parser.add_argument("--threads", type=int, default=2, help="fits at once, of the ten repeats")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        part, way, size = arguments.one
        torch.set_num_threads(1)
        print(
            {"latents": encode, "mixture": fit}[part](way, int(size))
            if part != "wind"
            else repeats(int(size), int(way))
        )
        return
    paper_rows = PAPER_CLIPS * SAMPLES * WINDOWS
    runs = [("latents", way, arguments.clips) for way in ("plain", "ours")]
    runs += [("mixture", way, arguments.rows) for way in ("sklearn-float64", "sklearn-float32", "ours")]
    if arguments.full:
        runs += [
            ("latents", "ours", PAPER_CLIPS),
            ("mixture", "full", paper_rows),
            ("wind", arguments.threads, paper_rows),
        ]
    print(f"{'':10} {'':13} {'rows':>8} {'seconds':>9} {'CPU s':>9} {'MiB':>9}", flush=True)
    for run in runs:
        subprocess.run([sys.executable, __file__, "--one", *map(str, run)], check=True)


if __name__ == "__main__":
    main()
