"""Seconds per training step of the paper's model, against the plain loop in the same run.

    python workflow_tests/benchmarks/bench_training.py [--device cuda] [--precision bf16] [--compile]

The denoiser has the paper's size (6.99 M parameters), the speech encoder is a wav2vec2-base with random weights, a
batch is 8 windows of 120 frames. Each row is measured in a process of its own. The table ends with the hours that the
paper's trainings would take, and on a GPU with how many of them fit on it side by side.

    released   as the authors' code: encoder in training mode and back-propagated into, dense attention under a mask
               built in Python, gradient checkpointing
    authors    the same with the encoder in evaluation mode and without gradients
    plain      the same without gradient checkpointing; what the ratios refer to
    window     `conditioning: window`, no window kept (the first epochs)
    kept       `conditioning: window`, every unshifted window kept (once each was drawn)
    sentence   `conditioning: sentence`
    finetuned  `encoder: finetuned`
    extractor  the VAE, batch 8
"""

import argparse
import functools
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.checkpoint import checkpoint
from transformers import Wav2Vec2Config, Wav2Vec2Model

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from said.compute import Compute
from said.diffusion import training_losses
from said.model import SAiD
from said.speech import encode, normalise
from said.training.extractor import ExtractorSettings, train_extractor
from said.training.run import Run
from said.training.said import model_config, train_said
from said.training.windows import Clip, SaidSettings, WindowEncoder, Windows

ROOT = Path(__file__).parents[2]
BATCH, FRAMES = 8, 120
PLAIN = ("released", "authors", "plain")
ROWS = (*PLAIN, "window", "kept", "sentence", "finetuned", "extractor")
STEPS_OF_THE_PAPER = {"said": 50_000 * 40, "extractor": 100_000 * 40}
"""320 training sentences in batches of 8 are 40 steps an epoch."""


def clips(frames: int, count: int = BATCH) -> list[Clip]:
    rng = np.random.default_rng(0)
    return [
        Clip(
            f"clip{n}",
            rng.uniform(size=(frames, 32)).astype(np.float32),
            rng.normal(size=frames * 16000 // 60).astype(np.float32),
        )
        for n in range(count)
    ]


def speech_encoder() -> Wav2Vec2Model:
    torch.manual_seed(0)
    return Wav2Vec2Model(Wav2Vec2Config()).eval()


def dense(module, banded: bool, x, context, *_):
    """Attention as it is written down: all scores, a mask filled in by a loop, a softmax."""

    def heads(projected):
        return projected.unflatten(-1, (module.heads, -1)).transpose(1, 2)

    query, key, value = heads(module.to_q(x)), heads(module.to_k(context)), heads(module.to_v(context))
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    if banded:
        bias = torch.full(scores.shape[-2:], float("-inf"))
        for i in range(len(bias)):
            for j in range(max(0, i - 1), min(bias.shape[1], i + 2)):
                bias[i, j] = 0.0
        scores = scores + bias.to(scores.device)
    return module.to_out((scores.softmax(-1) @ value).transpose(1, 2).flatten(2))


def make_plain(model: SAiD, checkpointed: bool) -> None:
    """Give a model the dense attention, and where asked gradient checkpointing of its blocks."""
    for name, module in model.denoiser.named_modules():
        if name.endswith(("attn1", "attn2")):
            module.forward = functools.partial(dense, module, name.endswith("attn2"))
        elif checkpointed and type(module).__name__ in ("ResidualBlock", "AudioTransformer"):
            module.forward = functools.partial(checkpoint, module.forward, use_reentrant=False)


def plain_steps(row: str, steps: int, device: str):
    """The training loop as one writes it down; yields after each step."""
    settings = SaidSettings()
    encoder = speech_encoder().to(device).requires_grad_(False).train(row == "released")
    model = SAiD(model_config(settings, encoder)).to(device).train()
    make_plain(model, checkpointed=row != "plain")
    average = [value.detach().clone() for value in model.parameters()]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    windows, rng = Windows(clips(200), settings, None), np.random.default_rng(0)
    for step in range(steps):
        batch = windows.batch(range(BATCH), rng)
        with torch.set_grad_enabled(row == "released"):
            audio = encode(encoder, normalise(batch.waveforms.to(device)), FRAMES)
        losses = training_losses(
            model,
            batch.coefficients.to(device),
            audio,
            torch.from_numpy(rng.random(BATCH) >= 0.1).to(device),
            torch.randint(1000, (BATCH,)).to(device),
            torch.randn(BATCH, FRAMES, 32).to(device),
        )
        optimizer.zero_grad()
        sum(losses).backward()
        optimizer.step()
        with torch.no_grad():
            for own, value in zip(average, model.parameters(), strict=True):
                own.sub_((1 - 0.9999) * (own - value))
        sum(losses).item()
        yield step


def our_steps(row: str, steps: int, compute: Compute, report) -> None:
    """The loop of this project; reports after each half."""
    common = {"epochs": 2 * steps, "validate_every": steps, "warmup_epochs": 0}
    if row == "extractor":
        sequences = [clip.coefficients for clip in clips(200)]
        settings = ExtractorSettings(**common)
        train_extractor(
            sequences, sequences[:1], np.ones(32), settings, 0, run=Run("extractor", compute, report=report)
        )
        return
    settings = SaidSettings(
        conditioning="sentence" if row == "sentence" else "window",
        encoder="finetuned" if row == "finetuned" else "frozen",
        **common,
    )
    train = clips(FRAMES if row == "kept" else 200)  # of a clip of 120 frames there is one unshifted window
    cache = 10**9 if row == "kept" else 0
    encoder = speech_encoder()
    run = Run("said", compute, report=report)
    train_said(train, train[:1], encoder, settings, 0, std=np.ones(32), run=run, cache_bytes=cache)


def measure(row: str, steps: int, compute: Compute) -> str:
    """One row: wall and processor seconds per step, and the peak memory, after as many steps to warm up."""
    marks = []

    def mark():
        if compute.device == "cuda":
            torch.cuda.synchronize()
        marks.append((time.perf_counter(), time.process_time()))

    if row in PLAIN:
        with Compute(compute.device).arithmetic():
            for step in plain_steps(row, 2 * steps, compute.device):
                if step + 1 in (steps, 2 * steps):
                    mark()
    else:
        our_steps(row, steps, compute, lambda line: "validation" in line and mark())  # not at what is said in between
    wall, processor = (np.array(marks[-1]) - np.array(marks[0])) / steps
    if compute.device == "cuda":
        memory = torch.cuda.max_memory_allocated() / 2**20
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{wall:.4f} {processor:.4f} {memory:.0f}"


@torch.no_grad()
def disagreement(compute: Compute) -> float:
    """Largest relative difference between the losses of the plain loop and of this one, of the same batch."""
    settings = SaidSettings()
    encoder = speech_encoder().to(compute.device)
    torch.manual_seed(1)
    model = SAiD(model_config(settings, encoder)).to(compute.device).eval()
    for value in model.denoiser.parameters():
        value.add_(0.02 * torch.randn(value.shape).to(value.device))  # a fresh model gives 0 whatever it is given
    batch = Windows(clips(200), settings, None, compute).batch(range(BATCH), np.random.default_rng(0))
    conditioned = torch.arange(BATCH) != 3
    values = [torch.randint(1000, (BATCH,)), torch.randn(BATCH, FRAMES, 32)]

    def losses(audio):
        moved = (compute.move(value) for value in (conditioned, *values))
        return torch.stack(training_losses(model, batch.coefficients, audio, *moved)).cpu()

    with compute.arithmetic(), compute.autocast():
        ours = losses(WindowEncoder(encoder, compute, 0)(batch, conditioned))
    make_plain(model, checkpointed=False)
    with Compute(compute.device).arithmetic():
        plain = losses(encode(encoder, normalise(batch.waveforms), FRAMES))
    return float(((ours - plain) / plain).abs().max())


def project(seconds: dict[str, float], memory: dict[str, float]) -> None:
    """What the paper's trainings would take at these speeds."""
    for name in ("kept", "sentence"):
        hours = (4 * seconds[name] + seconds["finetuned"]) * STEPS_OF_THE_PAPER["said"] / 3600
        hours += seconds["extractor"] * STEPS_OF_THE_PAPER["extractor"] / 3600
        print(f"VAE and five variants at 100,000 and 50,000 epochs, frozen ones by {name}: {hours:.0f} h")
    if torch.cuda.is_available():
        total = torch.cuda.get_device_properties(0).total_memory / 2**20
        for name in ("kept", "sentence", "finetuned"):
            used = memory[name] + 600  # of the CUDA context
            print(f"{name}: {used:.0f} MiB, {total // used:.0f} side by side on this card")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("float32", "tf32", "bf16"), default="float32", help="of our rows")
    parser.add_argument("--compile", action="store_true", help="our denoiser")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=0, help="measured; by default 10 on a CPU, 200 on a GPU")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS)
    parser.add_argument("--one", choices=(*ROWS, "disagreement"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    steps = arguments.steps or (10 if arguments.device == "cpu" else 200)
    compute = Compute(arguments.device, arguments.precision, arguments.compile)
    if arguments.one:
        one = arguments.one
        print(f"{disagreement(compute):.1e}" if one == "disagreement" else measure(one, steps, compute))
        return
    command = [sys.executable, __file__, *sys.argv[1:], "--one"]

    def run(row):
        return subprocess.run([*command, row], check=True, capture_output=True, text=True).stdout.split()

    print(f"Losses of the same batch, plain and ours, differ by {run('disagreement')[0]} of their value")
    print(f"{'':10} {'s/step':>9} {'processor s':>12} {'MiB':>7} {'x plain':>8}")
    seconds, memory = {}, {}
    for row in ("plain", *(row for row in arguments.rows if row != "plain")):
        seconds[row], processor, memory[row] = map(float, run(row))
        ratio = "" if row == "extractor" else f"{seconds['plain'] / seconds[row]:8.2f}"
        print(f"{row:10} {seconds[row]:9.4f} {processor:12.3f} {memory[row]:7.0f} {ratio}", flush=True)
    if len(seconds) == len(ROWS):
        project(seconds, memory)


if __name__ == "__main__":
    main()
