"""Real-time factor and peak memory of `python -m said animate`, by the package's own model on its own face.

    OMP_NUM_THREADS=1 python workflow_tests/benchmarks/bench_animation.py [--minutes 10 60] [--film] [--paper]

The recording is generated speech with pauses, said over and over. Each run is a process of its own, from its start to
its last file; `curves` writes all files but the film, which takes as long as its frames. `factor` is wall time by the
recording's length, `CPU factor` that of all threads together, which other work on the machine disturbs least.
`--paper` adds a model of the paper's size, with random weights, which cost the same, on one minute and one thread:
about 3.4 TFLOP, 2.3 of them the denoiser's and 1.1 the speech encoder's. What a core's product of matrices reaches is
printed first, as no factor can be lower than it allows.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch
from transformers import Wav2Vec2Config, Wav2Vec2Model

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from said import model as said_model
from said.model import SAiD
from said.synthetic.pauses import with_pauses
from said.synthetic.sentences import sentences
from said.synthetic.speech import SAMPLE_RATE, sample_voices, speak

SCRIPTS = Path(__file__).parents[2] / "scripts"
CURVES = "coefficients,livelink,curves,vrm,unity,glb,sound,picture"
FILM = CURVES + ",preview"


def write_speech(path: Path, seconds: float) -> None:
    """Sentences of one voice, a minute of them, until the time is up."""
    voice = sample_voices(1, 0)[0]
    rng = np.random.default_rng(0)
    spoken = [with_pauses(speak(text, voice, rng), 0.5, rng).waveform for text in sentences(12, 0)]
    minute = np.concatenate(spoken)
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1, "PCM_16") as file:
        left = round(seconds * SAMPLE_RATE)
        while left:
            file.write(minute[:left])
            left -= min(left, len(minute))


def write_paper_sized(path: Path) -> None:
    torch.manual_seed(0)
    model = SAiD(audio_encoder=Wav2Vec2Model(Wav2Vec2Config()))
    for parameter in model.denoiser.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    said_model.save(path, model)


def core_gflops(size: int = 2048) -> float:
    """Of a single-precision product of matrices in one thread, the best of three."""
    torch.set_num_threads(1)
    one, other = torch.rand(2, size, size)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        one @ other
        seconds.append(time.perf_counter() - began)
    return 2 * size**3 / min(seconds) / 1e9


def measure(folder: Path, minutes: float, formats: str, threads: int, model: str) -> tuple[float, float, float]:
    """Wall and CPU seconds, and MiB at most."""
    recording = folder / f"{minutes:g}.wav"
    if not recording.exists():
        write_speech(recording, 60 * minutes)
    command = [sys.executable, "-m", "said", "animate", recording, "--out", folder / "out", "--formats", formats]
    command += ["--threads", str(threads), "--model", model]
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=SCRIPTS, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} failed")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, nargs="*", default=[10, 60])
    parser.add_argument("--film", action="store_true", help="also with the film")
    parser.add_argument("--paper", action="store_true", help="also by a model of the paper's size")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of all but the paper's size")
    arguments = parser.parse_args()
    threads = arguments.threads
    print(f"One core: {core_gflops():.0f} GFLOP/s", flush=True)
    print("what         minutes threads   wall s    CPU s  factor  CPU factor    MiB")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs = [("curves", minutes, CURVES, threads, "demo") for minutes in arguments.minutes]
        if arguments.film:
            jobs += [("film", minutes, FILM, threads, "demo") for minutes in arguments.minutes]
        if arguments.paper:
            write_paper_sized(folder / "paper.safetensors")
            jobs.append(("paper's size", 1, CURVES, 1, str(folder / "paper.safetensors")))
        for what, minutes, *job in jobs:
            wall, cpu, size = measure(folder, minutes, *job)
            length = 60 * minutes
            print(
                f"{what:12} {minutes:7g} {job[1]:7} {wall:8.1f} {cpu:8.1f} {wall / length:7.2f} {cpu / length:11.2f} "
                f"{size:6.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
