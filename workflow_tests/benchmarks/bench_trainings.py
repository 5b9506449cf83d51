"""Seconds per unit of work (`said.workflow.work`) of the other methods, head poses and faces, at published sizes.

    python workflow_tests/benchmarks/bench_trainings.py [--device cuda] [--rows codetalker meshtalk ...]

Data are random and weights untrained: they do not change what a unit costs. The speech encoder has the size of
wav2vec2-base, faces have 5,023 vertices, sentences last 4 seconds and are made in all 8 styles, where a method has
them. Of a training, the steps after the first third are timed, without validations; of a sampling, what comes after a
short sentence. Coefficients that are fitted to meshes are not part of it, nor are the pictures of `film`, which
bench_render.py measures: it is what SyncNet takes. Each row is measured in a process of its own. `processor` is the
time of all threads together; memory, on a GPU, is what PyTorch held at most while that unit was timed.
"""

import argparse
import gc
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import torch
from timed import RATE, STYLES, Bench, Measured

HEAD_FRAMES = 200
"""Of a clip of a moving head, 8 seconds."""


def without(*packages: str) -> list[str]:
    """Put something in the place of packages that are not installed, for modules that import them and are not timed."""
    missing = [name for name in packages if isinstance(sys.modules.get(name), MagicMock) or not find_spec(name)]
    sys.modules.update({name: MagicMock() for name in missing})
    return missing


def train_voca(bench: Bench) -> Iterator[Measured]:
    without("python_speech_features")
    from said.training.voca import VocaSettings, train_voca

    run, train = bench.run("voca", 10), bench.clips(2)
    steps = -(-len(train) * bench.frames // VocaSettings().batch_size)  # of an epoch
    own = run.once(steps) | bench.sizes(components=8)
    train_voca(train, train[:1], VocaSettings(hearing="speech_encoder", **own), 0, shared=bench.shared, run=run)
    yield bench.trained("voca clip", run.times[0], len(train) / steps)


def sample_voca(bench: Bench) -> Iterator[Measured]:
    missing = without("python_speech_features", "resampy")
    from said.baselines import deepspeech
    from said.baselines.methods.voca import HearingVoca
    from said.baselines.voca import Voca

    if missing:  # what DeepSpeech is given takes the processor some hundredths of a second
        print(f"voca sentence: without {' and '.join(missing)}, DeepSpeech hears noise", file=sys.stderr)
        deepspeech.inputs = lambda samples, rate: bench.rng.normal(size=(len(samples) * 50 // rate, 494)).astype("f4")
    hearing = deepspeech.DeepSpeech(*((16, 16, 16), 16, 16) if bench.small else ())
    yield from bench.sentence("voca", HearingVoca(Voca(bench.vertices, STYLES), hearing, bench.encoder))


def train_faceformer(bench: Bench) -> Iterator[Measured]:
    from said.training.faceformer import FaceFormerSettings, train_faceformer

    run, train = bench.run("faceformer"), bench.clips(1)
    train_faceformer(train, train, FaceFormerSettings(**run.once()), 0, shared=bench.shared, run=run)
    yield bench.trained("faceformer clip", run.times[0])


def sample_faceformer(bench: Bench) -> Iterator[Measured]:
    from said.baselines.faceformer import FaceFormer

    yield from bench.sentence("faceformer", FaceFormer(bench.encoder, bench.vertices, STYLES))


def train_codetalker(bench: Bench) -> Iterator[Measured]:
    from said.training.codetalker import AutoencoderSettings, CodeTalkerSettings, train_codetalker

    run, train = bench.run("codetalker"), bench.clips(1)
    small = {"width": 64, "feed_forward": 64, "layers": 1}
    first = AutoencoderSettings(**run.once(), **bench.sizes(code_width=16, **small))
    settings = CodeTalkerSettings(autoencoder=first, **run.once(), **bench.sizes(**small))
    train_codetalker(train, train, settings, 0, shared=bench.shared, run=run)
    for unit, measured in zip(("codetalker autoencoder clip", "codetalker clip"), run.times, strict=True):
        yield bench.trained(unit, measured)


def sample_codetalker(bench: Bench) -> Iterator[Measured]:
    from said.baselines.codetalker import CodeTalker, Predictor
    from said.baselines.motion_autoencoder import MotionAutoencoder

    small = {"width": 64, "feed_forward": 64, "layers": 1}
    autoencoder = MotionAutoencoder(bench.vertices, **bench.sizes(code_width=16, **small))
    predictor = Predictor(bench.encoder, bench.vertices, STYLES, **bench.sizes(out=64, **small))
    yield from bench.sentence("codetalker", CodeTalker(autoencoder, predictor))


def meshtalk_sizes(bench: Bench) -> tuple[dict, dict]:
    """Of both steps."""
    first = bench.sizes(heads=2, classes=4, expression=8, detail=8, frames=8)
    return first, bench.sizes(width=4, frames=8)


def train_meshtalk(bench: Bench) -> Iterator[Measured]:
    from said.training.meshtalk import MeshTalkSettings, PriorSettings, train_meshtalk

    run = bench.run("meshtalk", 2)
    train, (first, second) = bench.clips(MeshTalkSettings().batch_size), meshtalk_sizes(bench)
    own = {"iterations": run.least, "validate_every": run.least, "drop_at": None}
    settings = MeshTalkSettings(prior=PriorSettings(**own, **second), **own, **first)
    train_meshtalk(train, train[:1], settings, 0, shared=bench.shared, run=run)
    for unit, measured in zip(("meshtalk step", "meshtalk prior step"), run.times, strict=True):
        yield bench.trained(unit, measured)


def sample_meshtalk(bench: Bench) -> Iterator[Measured]:
    from said.training.meshtalk import MeshTalkSettings, PriorSettings, build

    first, second = meshtalk_sizes(bench)
    settings = MeshTalkSettings(prior=PriorSettings(**second), **first)
    yield from bench.sentence("meshtalk", build(bench.clips(1), settings))


def train_end2end(bench: Bench) -> Iterator[Measured]:
    from said.training.end2end import End2EndSettings, train_end2end

    run, train = bench.run("end2end", 5), bench.clips(1)
    settings = End2EndSettings(epoch_frames=None, **run.once(), **bench.sizes(width=2, hidden=16))
    train_end2end(train, train, settings, 0, shared=bench.shared, run=run)
    yield bench.trained("end2end frame", run.times[0], min(bench.frames, settings.window))


def sample_end2end(bench: Bench) -> Iterator[Measured]:
    from said.baselines.end2end import End2End

    yield from bench.sentence("end2end", End2End(**bench.sizes(width=2, hidden=16)))


def train_pose_vq(bench: Bench) -> Iterator[Measured]:
    from said.training.pose_vq import PoseVQSettings, train_pose_vq

    run = bench.run("pose VQ-VAE", 5)
    settings = PoseVQSettings(**run.once(), **bench.sizes(width=32, feed_forward=32, layers=1))
    count = settings.batch_size
    motion = bench.rng.normal(size=(count, HEAD_FRAMES, 6)).astype(np.float32)
    train_pose_vq(motion, motion[:2], settings, 0, clips=list(map(str, range(count))), run=run)
    yield bench.trained("pose clip", run.times[0], count)


def train_pose_generator(bench: Bench) -> Iterator[Measured]:
    from said.headpose.pose_vq import PoseVQ
    from said.headpose.spoken import SpokenPoses
    from said.training.pose_generator import GeneratorSettings, train_pose_generator
    from said.training.pose_vq import PoseVQSettings

    small, rng = bench.sizes(width=32, feed_forward=32, layers=1), bench.rng
    vq = PoseVQ(PoseVQSettings(**small).config(HEAD_FRAMES))
    count, hearing = GeneratorSettings().batch_size, bench.encoder.config.hidden_size
    for given in ("mel", "waveform"):
        run = bench.run(given, 5)
        spoken = SpokenPoses(
            list(map(str, range(count))),
            np.arange(count),
            rng.normal(size=(count, HEAD_FRAMES, 6)).astype(np.float32),
            rng.normal(size=(count, HEAD_FRAMES, hearing)).astype(np.float16),
            rng.normal(size=(count, HEAD_FRAMES, 40)).astype(np.float32)
            if given == "mel"
            else rng.integers(-3000, 3000, (count, HEAD_FRAMES * 640)).astype(np.int16),
        )
        settings = GeneratorSettings(rhythm_input=given, **run.once(), **small)
        train_pose_generator(spoken, spoken, settings, 0, vq=vq, run=run)
        yield bench.trained(f"{given} clip", run.times[0], count)


def facial_vq(bench: Bench) -> dict:
    return bench.sizes(width=32, feed_forward=32, layers=1, codes=32, code_width=8, components=2)


def train_facial_vq(bench: Bench) -> Iterator[Measured]:
    from said.training.facial_vq import FacialVQSettings, train_facial_vq

    run = bench.run("facial VQ-VAE")
    settings = FacialVQSettings(**run.once(), **facial_vq(bench))
    motion = bench.rng.uniform(size=(8 * settings.batch_size, 32))
    train_facial_vq({"one": motion}, {"other": motion[:64]}, settings, 0, run=run)
    yield bench.trained("block", run.times[0], settings.batch_size)


def dual_path(bench: Bench):
    """Settings without epochs, and the codebook."""
    from said.headpose.facial_vq import FacialVQ

    return bench.sizes(width=32, feed_forward=32, layers=1, hidden=16), FacialVQ(
        np.full(32, 0.5), np.ones(32), **facial_vq(bench)
    )


def train_dual_path(bench: Bench) -> Iterator[Measured]:
    from said.headpose.spoken_face import SpokenFace
    from said.training.dual_path import DualPathSettings, train_dual_path

    run, (sizes, vq), frames = bench.run("dual path"), dual_path(bench), bench.frames // 2
    motion, speech = bench.rng.uniform(size=(frames, 32)), bench.rng.normal(size=(frames, 768))
    clip = SpokenFace("speaker/sentence", STYLES - 1, motion.astype(np.float32), speech.astype(np.float32))
    train_dual_path([clip], [clip], vq, DualPathSettings(**run.once(), **sizes), 0, run=run)
    yield bench.trained("face clip", run.times[0])


def sample_face(bench: Bench) -> Iterator[Measured]:
    from said.headpose.dual_path import DualPath
    from said.headpose.spoken_face import animate
    from said.training.dual_path import DualPathSettings

    sizes, vq = dual_path(bench)
    encoder = bench.encoder.to(bench.device)
    model = DualPath(vq, encoder.config.hidden_size, STYLES, **DualPathSettings(**sizes).network())
    model = model.to(bench.device).eval()
    speech = bench.noise(bench.seconds)
    animate(model, encoder, bench.noise(0.5), RATE)
    yield bench.repeated("face sentence", lambda: animate(model, encoder, speech, RATE))


def hear_talks(bench: Bench) -> Iterator[Measured]:
    from said.headpose.features import features_of

    encoder, speech = bench.encoder.to(bench.device), bench.noise(HEAD_FRAMES / 25, 16000)
    features_of(speech, encoder, HEAD_FRAMES)
    yield bench.repeated("clip", lambda: features_of(speech, encoder, HEAD_FRAMES))


def see_films(bench: Bench) -> Iterator[Measured]:
    without("numba", "python_speech_features")
    from said.lipsync.measure import embed_lips
    from said.lipsync.syncnet import FRAME_RATE, SyncNet

    model = SyncNet(**bench.sizes(width=0.05, size=64)).to(bench.device).eval()
    frames = round(bench.seconds * FRAME_RATE)
    film = bench.rng.integers(0, 256, (frames, model.size, model.size, 3), dtype=np.uint8)
    windows = torch.from_numpy(bench.rng.normal(size=(frames - 4, 1, 13, 20)).astype(np.float32))

    @torch.no_grad()
    def see() -> None:
        embed_lips(model, film)
        model.embed_speech(windows.to(bench.device)).cpu()

    if bench.device == "cuda":
        see()
    yield bench.repeated("film", see)


ROWS: dict[str, tuple[Callable[[Bench], Iterator[Measured]], ...]] = {
    "voca": (train_voca, sample_voca),
    "faceformer": (train_faceformer, sample_faceformer),
    "codetalker": (train_codetalker, sample_codetalker),
    "meshtalk": (train_meshtalk, sample_meshtalk),
    "end2end": (train_end2end, sample_end2end),
    "poses": (train_pose_vq, train_pose_generator),
    "face": (train_facial_vq, train_dual_path, sample_face),
    "seen": (hear_talks, see_films),
}
"""What is measured in one process, one after the other."""


def measure(row: str, arguments) -> bool:
    """Print the lines of a row, as they are measured; what fails, on a line of its own. Whether all went well."""
    sound = True
    for function in ROWS[row]:
        with tempfile.TemporaryDirectory() as folder:
            try:
                for unit, wall, processor, memory in function(Bench(arguments, Path(folder))):
                    print(f"{unit:36} {wall:10.3g} {processor:12.3g} {memory:8.0f}", flush=True)
            except Exception as error:
                traceback.print_exc()
                print(f"{function.__name__}: {type(error).__name__}: {error}", flush=True)
                sound = False
        gc.collect()
    return sound


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("float32", "tf32", "bf16"), default="float32", help="of trainings")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, help="measured, of cheap ones more; by default 2 on a CPU, 10 on a GPU")
    parser.add_argument("--seconds", type=float, default=4, help="of a sentence")
    parser.add_argument("--small", action="store_true", help="tiny models, to try this program")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--one", choices=ROWS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.steps = arguments.steps or (2 if arguments.device == "cpu" else 10)
    torch.set_num_threads(arguments.threads)
    if arguments.one:
        sys.exit(0 if measure(arguments.one, arguments) else 1)
    print(f"{'unit':36} {'s/unit':>10} {'processor s':>12} {'MiB':>8}", flush=True)
    failed = []
    for row in arguments.rows:
        if code := subprocess.run([sys.executable, __file__, *sys.argv[1:], "--one", row]).returncode:
            failed.append(row)
            print(f"{row}: ended with {code}", flush=True)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
