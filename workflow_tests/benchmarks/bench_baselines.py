"""Time and memory of FaceFormer and CodeTalker at their published sizes: the plain loop beside this project's.

    OMP_NUM_THREADS=1 python workflow_tests/benchmarks/bench_baselines.py [--seconds 4] [--styles 8]

Weights are random: they do not change what a frame costs. The plain loop encodes the speech for each style, and for
each frame decodes all frames before it anew, as the authors' code does (which also builds its masks again; here they
are made once). Its styles have nothing in common and cost the same: of CodeTalker's, `--plain-styles` are run, and the
time is multiplied. Ways are measured in turns, each in a process of its own, so that its peak memory is its own;
`CPU` is the time of all threads together, which other work on the machine disturbs least. `difference` is the largest
between both, of a style that both made, as a share of the largest offset; with random weights, codes may be near enough
to each other for rounding to choose, and then it is that of other codes.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import Wav2Vec2Config, Wav2Vec2Model

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from plain_baselines import PlainAutoencoder, PlainCodeTalker, PlainFaceFormer, published_state

from said.baselines.codetalker import CodeTalker, Predictor
from said.baselines.faceformer import FaceFormer
from said.baselines.motion_autoencoder import MotionAutoencoder
from said.speech import normalise


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@torch.no_grad()
def measure(model: str, way: str, arguments) -> dict:
    audio = normalise(torch.randn(int(16000 * arguments.seconds), generator=torch.Generator().manual_seed(0)))
    template, styles = torch.zeros(5023, 3), torch.arange(arguments.styles)
    config = Wav2Vec2Config()
    if model == "FaceFormer":
        state = published_state(FaceFormer(Wav2Vec2Model(config)), seed=0)
        plain = PlainFaceFormer(state, config) if way == "plain" else None
        one, ours = plain and plain.offsets, None if plain else FaceFormer.from_state_dict(state, config)
    else:
        state = published_state(MotionAutoencoder(), 0), published_state(Predictor(Wav2Vec2Model(config)), 1)
        plain = PlainCodeTalker(PlainAutoencoder(state[0]), state[1], config) if way == "plain" else None
        one = plain and (lambda audio, style: plain.generate(audio, style)[0])
        ours = None if plain else CodeTalker.from_state_dicts(*state, config)
    del state
    count = arguments.styles if model == "FaceFormer" else min(arguments.plain_styles, arguments.styles)
    before, start = cpu_seconds(), time.perf_counter()
    if plain:
        motion = torch.stack([one(audio, style).unflatten(-1, (-1, 3)) for style in range(count)])
    else:
        motion = ours.animate(audio, template, styles)
    wall, cpu = time.perf_counter() - start, cpu_seconds() - before
    factor = arguments.styles / count if plain else 1
    torch.save(motion[0].clone(), arguments.keep)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"wall": wall * factor, "cpu": cpu * factor, "peak": peak, "frames": motion.shape[1]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=4, help="of speech")
    parser.add_argument("--styles", type=int, default=8, help="made of it")
    parser.add_argument("--plain-styles", type=int, default=1, help="of CodeTalker's that the plain loop makes")
    parser.add_argument("--rounds", type=int, default=1, help="of measurements; the fastest counts")
    parser.add_argument("--models", nargs="+", default=["FaceFormer", "CodeTalker"])
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--keep", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*arguments.one, arguments)))
        return
    print(f"{arguments.seconds:g} s of speech, {arguments.styles} styles, {torch.get_num_threads()} threads")
    header = f"{'':12}{'way':7}{'frames':>8}{'wall s':>9}{'CPU s':>9}{'ratio':>8}{'CPU ratio':>11}{'MiB':>8}"
    print(f"{header}{'difference':>13}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for model in arguments.models:
            results = {"plain": [], "ours": []}
            for _ in range(arguments.rounds):
                for way, measured in results.items():
                    command = [
                        sys.executable,
                        __file__,
                        *sys.argv[1:],
                        "--one",
                        model,
                        way,
                        "--keep",
                        f"{folder}/{way}",
                    ]
                    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                    measured.append(json.loads(done.stdout))
            best = {way: {key: min(one[key] for one in many) for key in many[0]} for way, many in results.items()}
            plain, ours = (torch.load(f"{folder}/{way}") for way in results)
            for way, one in best.items():
                ratios = [best["plain"][key] / one[key] for key in ("wall", "cpu")]
                line = f"{model:12}{way:7}{one['frames']:8d}{one['wall']:9.1f}{one['cpu']:9.1f}"
                line += f"{ratios[0]:8.1f}{ratios[1]:11.1f}{one['peak']:8.0f}"
                print(
                    line + (f"{(plain - ours).abs().max() / plain.abs().max():13.1e}" if way == "ours" else ""),
                    flush=True,
                )


if __name__ == "__main__":
    main()
