"""What bench_trainings.py times units of work with: a clock, trainings that are cut short, and random data."""

import dataclasses
import functools
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from transformers import Wav2Vec2Config, Wav2Vec2Model

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from said.baselines.clips import MeshClip, Shared, Utterance
from said.baselines.registry import find_method
from said.baselines.sampling import Baseline
from said.compute import Compute, find_device
from said.corpus import FRAME_RATE, Topology
from said.files.arrays import write_frames
from said.training.journal import Journal
from said.training.run import Run

STYLES = 8
RATE = 22050
"""Hz of speech."""
Measured = tuple[str, float, float, float]
"""A unit, its wall and processor seconds, and MiB."""


class Clock:
    """Begins to run when it is made."""

    def __init__(self, device: str):
        self.device = device
        self._wait()
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        self.wall, self.processor = time.perf_counter(), time.process_time()

    def read(self, count: float) -> tuple[float, float, float]:
        """Wall and processor seconds of each of so many units, and peak memory."""
        self._wait()
        wall, processor = time.perf_counter() - self.wall, time.process_time() - self.processor
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        if self.device == "cuda":
            memory = torch.cuda.max_memory_allocated() / 2**20
        return wall / count, processor / count, memory

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


class TimedJournal(Journal):
    """Times the steps before the last, which alone is followed by a validation."""

    def __init__(self, run: "TimedRun"):
        super().__init__(run.name, {}, report=lambda _: None)
        self.run = run

    def end_step(self) -> None:
        super().end_step()
        last = self._course.steps - 1
        if self._state.step == last - self.run.steps:
            self.clock = Clock(self.run.compute.device)
        elif self._state.step == last:
            self.run.times.append(self.clock.read(self.run.steps))


@dataclasses.dataclass(frozen=True)
class TimedRun(Run):
    """A training that times `steps` steps of each of its stages; `times` gets wall, processor and memory of a step."""

    steps: int = 1
    times: list = dataclasses.field(default_factory=list)

    def journal(self, identity: dict) -> Journal:
        return TimedJournal(self)

    @property
    def least(self) -> int:
        """Steps that a training of one stage needs at least: those before, those that are timed, the last."""
        return max(1, self.steps // 2) + self.steps + 1

    def once(self, steps_per_epoch: int = 1) -> dict:
        """The settings of so many epochs, with a validation after the last."""
        epochs = -(-self.least // steps_per_epoch)
        return {"epochs": epochs, "validate_every": epochs}


class Bench:
    """What the rows share: sizes, random data, and how they are timed."""

    def __init__(self, arguments, folder: Path):
        self.compute = Compute(find_device(arguments.device), arguments.precision)
        self.device, self.steps, self.small = self.compute.device, arguments.steps, arguments.small
        self.seconds, self.folder = arguments.seconds, folder
        self.vertices = 120 if self.small else 5023
        self.frames = round(self.seconds * FRAME_RATE)
        self.rng = np.random.default_rng(0)
        torch.manual_seed(0)

    def run(self, name: str, times: int = 1) -> TimedRun:
        """A run that times `times` as many steps as were asked for."""
        return TimedRun(name, self.compute, steps=self.steps * times)

    def trained(self, unit: str, time_of_a_step: tuple[float, float, float], units: float = 1) -> Measured:
        """A unit, of which a step has so many."""
        wall, processor, memory = time_of_a_step
        return self.unit(unit), wall / units, processor / units, memory

    def repeated(self, unit: str, work: Callable[[], object]) -> Measured:
        """A unit that `work` makes, as often as there are steps, or until 3 seconds have passed."""
        clock, begin, count = Clock(self.device), time.perf_counter(), 0
        while count == 0 or (count < self.steps and time.perf_counter() - begin < 3):
            work()
            count += 1
        return (self.unit(unit), *clock.read(count))

    def unit(self, name: str) -> str:
        return name if self.small else f"large {name}"

    def sizes(self, **small) -> dict:
        """Settings: the published ones, or small ones."""
        return small if self.small else {}

    @functools.cached_property
    def encoder(self) -> Wav2Vec2Model:
        sizes = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
        small = sizes | {"conv_dim": (32,) * 7, "num_conv_pos_embeddings": 16}
        return Wav2Vec2Model(Wav2Vec2Config(**self.sizes(**small))).eval()

    @functools.cached_property
    def template(self) -> np.ndarray:
        return self.rng.normal(0, 0.05, (self.vertices, 3)).astype(np.float32)

    @functools.cached_property
    def shared(self) -> Shared:
        strip = np.arange(self.vertices - 2)[:, None] + np.arange(3)
        return Shared(self.encoder, Topology(strip, np.arange(68), np.arange(self.vertices)), np.ones(32))

    def noise(self, seconds: float, rate: int = RATE) -> np.ndarray:
        return (0.1 * self.rng.normal(size=round(seconds * rate))).astype(np.float32)

    def clips(self, count: int) -> list[MeshClip]:
        """Clips of the last speakers, so that there are 8 styles; the meshes of all are the same."""
        if not (self.folder / "sentence.npy").exists():
            moves = 1e-3 * self.rng.normal(size=(self.frames, self.vertices, 3))
            write_frames(self.folder / "sentence.npy", self.template + moves)
        return [
            MeshClip(
                f"speaker{n}/sentence",
                STYLES - 1 - n,
                self.template,
                self.rng.uniform(size=(self.frames, 32)).astype(np.float32),
                self.noise(self.seconds),
                RATE,
                self.folder,
            )
            for n in range(count)
        ]

    def sentence(self, name: str, model: torch.nn.Module) -> Iterator[Measured]:
        """A sentence of a method of Table 1, in all styles."""
        settings = {"fps": FRAME_RATE, "sampling": "gumbel", "centres": "published"}  # which MeshTalk asks for
        baseline = Baseline(find_method(name), model.to(self.device).eval(), settings)

        short, speech = (Utterance("sentence", self.noise(seconds), RATE) for seconds in (0.5, self.seconds))

        def make(utterance: Utterance) -> None:
            for _ in baseline.sequences(utterance, self.template):
                pass

        make(short)
        yield self.repeated(f"{name} sentence", lambda: make(speech))
