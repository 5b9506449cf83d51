"""Time and memory of cross-attention under the alignment bias: the whole product with a mask, and the band in blocks.

    python workflow_tests/benchmarks/bench_attention.py [--lengths 120 600 3600 36000] [--bias 1]

Each measurement runs in a process of its own on one thread, so that its peak memory is its own: one layer of the
paper's width, forward and backward, the best of several CPU times (one beyond 10,000 frames). `loop` is the published
way: the mask made frame by frame in each call, softmax over everything. What would need more than --limit MiB for its
attention map alone is left out.
"""

import argparse
import resource
import subprocess
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from said.attention import CrossAttention, alignment_band, alignment_mask

WIDTH, AUDIO_WIDTH, HEADS = 192, 768, 6


def looped_attention(attention: CrossAttention, x, context, bias: int):
    """The authors' way: a mask per call, row by row, and a map (N, M) for every head."""
    frames, audio_frames = x.shape[1], context.shape[1]
    ratio = audio_frames / frames
    hidden = torch.ones(frames, audio_frames, dtype=torch.bool)
    for frame in range(frames):
        middle, reach = (frame + 0.5) * ratio, ratio / 2 + bias
        hidden[frame, max(round(middle - reach), 0) : min(round(middle + reach), audio_frames)] = False
    weights = attention.weights(x, context, ~hidden)
    value = attention.to_v(context).unflatten(-1, (HEADS, -1)).transpose(1, 2)
    return attention.to_out((weights @ value).transpose(1, 2).flatten(2))


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure(way: str, frames: int, batch: int, bias: int) -> str:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    attention = CrossAttention(WIDTH, AUDIO_WIDTH, HEADS)
    x = torch.randn(batch, frames, WIDTH, requires_grad=True)
    context = torch.randn(batch, frames, AUDIO_WIDTH, requires_grad=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def run():
        if way == "loop":
            return looped_attention(attention, x, context, bias)
        return attention(x, context, allowed)

    if way != "loop":
        allowed = (alignment_mask if way == "mask" else alignment_band)(frames, frames, bias)
    forward, both = [], []
    for _ in range(1 if frames > 10000 else 3 if frames > 1000 else 10):
        start = cpu_seconds()
        with torch.no_grad():
            run()
        forward.append(cpu_seconds() - start)
        start = cpu_seconds()
        run().square().sum().backward()
        both.append(cpu_seconds() - start)
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return f"{way:5} {frames:7d} {batch:5d} {1000 * min(forward):12.1f} {1000 * min(both):12.1f} {memory:9.0f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lengths", type=int, nargs="+", default=[120, 600, 3600, 36000])
    parser.add_argument("--bias", type=int, default=1, help="half width of the band, in frames")
    parser.add_argument("--limit", type=int, default=6000, help="MiB that an attention map may have")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        way, frames, batch = arguments.one
        print(measure(way, int(frames), int(batch), arguments.bias))
        return
    print(f"{'way':5} {'frames':>7} {'batch':>5} {'forward ms':>12} {'training ms':>12} {'MiB':>9}", flush=True)
    for frames in arguments.lengths:
        batch = 8 if frames <= 600 else 1
        for way in ("loop", "mask", "band"):
            maps = 4 * batch * frames**2 * {"loop": HEADS, "mask": 1, "band": 0}[way] / 2**20
            if maps > arguments.limit:
                print(f"{way:5} {frames:7d} {batch:5d}   not run: an attention map of {maps:.0f} MiB", flush=True)
                continue
            one = [sys.executable, __file__, "--bias", str(arguments.bias), "--one", way, str(frames), str(batch)]
            subprocess.run(one, check=True)


if __name__ == "__main__":
    main()
