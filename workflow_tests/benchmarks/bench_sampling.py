"""Time and memory of sampling with a model of the paper's size, the plain way beside this project's.

    OMP_NUM_THREADS=2 python workflow_tests/benchmarks/bench_sampling.py [--device cuda]

Weights are random: they do not change what a step costs. The plain way is Eq. 9 as it is written, batches of 8 (on a
GPU one of all samples) and the audio encoded once for each copy, as in the code of the paper's authors. Both ways are
timed in turns, since other work on the machine slows both, and each in a process of its own, so that its peak memory
is its own. `CPU` is the time of all threads together, which other work disturbs least.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from transformers import Wav2Vec2Config, Wav2Vec2Model

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from said.diffusion import sample
from said.model import SAiD
from said.sampling import Sampler, SamplingSettings, Speech, sample_speech

PAPER = {"clips": 79, "samples": 72, "steps": 1000, "variants": 5}
"""Of the paper's evaluation."""


def usage() -> tuple[float, float]:
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), spent.ru_utime + spent.ru_stime


def prepare(arguments) -> tuple[SAiD, Wav2Vec2Model, Speech]:
    torch.manual_seed(0)
    model = SAiD()
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    waveform = np.random.default_rng(0).normal(size=arguments.frames * 16000 // 60).astype(np.float32)
    return model, Wav2Vec2Model(Wav2Vec2Config()), Speech("clip", waveform, arguments.frames)


def measure(way: str, arguments) -> dict:
    """Seconds of encoding and of all steps, wall and CPU, for `arguments.samples` samples."""
    model, encoder, speech = prepare(arguments)
    settings = SamplingSettings(samples=arguments.samples, memory_gb=arguments.memory_gb)
    sampler = Sampler(model, encoder, settings, 0, arguments.device)
    if way == "plain":
        return plain(sampler, speech, arguments)

    def run(steps: int) -> None:
        sampler.settings = replace(settings, steps=steps, sampler="dpmsolver++" if way == "dpmsolver++" else "ddim")
        list(sample_speech(sampler, [speech], threads=torch.get_num_threads(), report=lambda _: None))

    run(1)
    encoding = timed(lambda: sampler.encode(speech).sum().item())
    once = timed(lambda: run(1))
    steps = 25 if way == "dpmsolver++" else arguments.steps
    whole = timed(lambda: run(1 + steps))
    return result(arguments, encoding, [b - a for a, b in zip(once, whole, strict=True)], steps)


def plain(sampler: Sampler, speech: Speech, arguments) -> dict:
    size = 8 if arguments.device == "cpu" else arguments.samples
    audio = sampler.encode(speech).expand(size, -1, -1).contiguous()

    def run(steps: int) -> None:
        for _ in range(0, arguments.samples, size):
            sample(sampler.model, audio, steps=steps, guidance=2.0).sum().item()

    def encode() -> None:
        for _ in range(arguments.samples):
            sampler.encode(speech).sum().item()

    run(1)
    encoding, once, whole = timed(encode), timed(lambda: run(1)), timed(lambda: run(1 + arguments.steps))
    return result(arguments, encoding, [b - a for a, b in zip(once, whole, strict=True)], arguments.steps)


def timed(work) -> list[float]:
    before = usage()
    work()
    return [after - begin for begin, after in zip(before, usage(), strict=True)]


def result(arguments, encoding: list[float], stepping: list[float], steps: int) -> dict:
    wall, cpu = (1000 * seconds / arguments.samples / steps for seconds in stepping)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if arguments.device == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**20
    return {"wall": wall, "cpu": cpu, "encoding": encoding[0], "peak": peak, "steps": steps}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--frames", type=int, default=240)
    parser.add_argument("--samples", type=int, default=8, help="made by each measurement")
    parser.add_argument("--steps", type=int, default=6, help="made by each measurement; DPM-Solver++ makes its 25")
    parser.add_argument("--memory-gb", type=float, default=4, help="of a GPU, as sampling.memory_gb")
    parser.add_argument("--rounds", type=int, default=3, help="of measurements; the fastest counts")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments)))
        return
    ways = {"plain": [], "ours": [], "dpmsolver++": []}
    for _ in range(arguments.rounds):
        for way, results in ways.items():
            done = subprocess.run(
                [sys.executable, __file__, *sys.argv[1:], "--one", way], check=True, stdout=subprocess.PIPE, text=True
            )
            results.append(json.loads(done.stdout))
    best = {way: {key: min(one[key] for one in results) for key in results[0]} for way, results in ways.items()}
    threads = os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())
    print(f"{arguments.frames} frames, guided, {arguments.device}, {threads} threads, best of {arguments.rounds}")
    print(f"{'':14}{'ms per sample and step':>24}{'ratio':>7}{'CPU ms':>9}{'ratio':>7}{'encoding s':>12}{'MiB':>7}")
    for way, one in best.items():
        ratios = [one[key] / best["plain"][key] for key in ("wall", "cpu")]
        print(
            f"{way:14}{one['wall']:24.2f}{ratios[0]:7.2f}{one['cpu']:9.2f}{ratios[1]:7.2f}"
            f"{one['encoding']:12.2f}{one['peak']:7.0f}"
        )
    print(f"\nthe paper's {PAPER['clips']} clips x {PAPER['samples']} samples x {PAPER['variants']} variants:")
    for way, one in best.items():
        steps = 25 if way == "dpmsolver++" else PAPER["steps"]
        seconds = one["wall"] * steps / 1000
        hours = seconds * PAPER["clips"] * PAPER["samples"] * PAPER["variants"] / 3600
        print(f"{way:14}{steps:5d} steps: {1 / seconds:9.3f} samples per second, {hours:9.2f} hours")


if __name__ == "__main__":
    main()
