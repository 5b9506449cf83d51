"""What survives an interruption: trainings in processes of their own that are killed, stopped and run out of time."""

import contextlib
import multiprocessing
import os
import random
import signal
import sys
import time
from multiprocessing import forkserver
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import same, small_encoder, train

from said import extractor, model
from said.files.tensors import read_tensors
from said.files.text import read_jsonl, write_jsonl
from said.running.interruption import EXIT_CODE, Interruption, job_deadline
from said.sampling import one_thread
from said.training.checkpoint import Checkpoint
from said.training.course import FitSettings
from said.training.extractor import train_extractor
from said.training.journal import Journal
from said.training.loop import fit
from said.training.run import Run

SAID = {"epochs": 40, "dropout": 0.2, "mirror_persistent": True, "validate_every": 7, "width": 32}
VAE = {
    "epochs": 40,
    "warmup_epochs": 2,
    "batch_size": 4,
    "learning_rate": 1e-3,
    "ema_decay": 0.9,
    "velocity_weight": 1.0,
    "beta": 0.1,
    "beta_cycles": 2,
    "validate_every": 9,
}


def train_vae(**run):
    rng = np.random.default_rng(0)
    clips = [rng.uniform(size=(130 + n, 32)).astype(np.float32) for n in range(10)]
    return train_extractor(clips, clips[:2], np.full(32, 0.3), VAE, 0, run=Run("extractor", **run))


class Waiting(Checkpoint):
    """Goes no further than so many steps beyond the first that it saves until it is told to stop, on any machine."""

    def __init__(self, *arguments, steps: int | None):
        super().__init__(*arguments)
        self.steps, self.first = steps, None

    def interruption(self) -> Interruption:
        self.told = super().interruption()
        return self.told

    def write(self, state) -> None:
        super().write(state)
        self.first = state.step if self.first is None else self.first
        while self.steps is not None and state.step >= self.first + self.steps and self.told.reason is None:
            time.sleep(0.01)


def child(kind: str, folder: Path, save_every: float, limit: float | None, steps: int | None) -> None:
    """What the child processes run: train, write weights and history, as the scripts of the workflow do."""
    torch.set_num_threads(1)
    with (folder / "log").open("a", buffering=1) as log:

        def report(text):
            log.write(text + "\n")

        deadline = None if limit is None else time.time() + limit
        with Waiting(folder / "checkpoint.safetensors", deadline, save_every, steps=steps) as checkpoint:
            run = {"checkpoint": checkpoint, "events": folder / "events.out.tfevents"}
            if kind == "said":
                trained, history = train(small_encoder(), report=report, run=run, **SAID)
            else:
                trained, history = train_vae(report=report, **run)
            (model if kind == "said" else extractor).save(folder / "weights.safetensors", trained)
            write_jsonl(folder / "history.jsonl", history)


@pytest.fixture(scope="module")
def start():
    """Starts a training in a process of its own; with `save_every` 0 every step is saved. `steps`: see `Waiting`."""
    # Forked from a server that has only imported: no threads are forked, and nothing is imported twice.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with pytest.MonkeyPatch.context() as environment:  # where the server finds this module
        environment.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        forkserver.ensure_running()

    def start(kind: str, folder: Path, save_every: float = 0.0, limit: float | None = None, steps: int | None = None):
        process = context.Process(target=child, args=(kind, folder, save_every, limit, steps))
        process.start()
        return process

    return start


def ended(process, folder: Path) -> str:
    """What a process reported, once it has ended by itself."""
    process.join(1800)
    text = (folder / "log").read_text()
    (folder / "log").unlink()
    return f"{text}exit code {process.exitcode}"


def wait_until(condition, process) -> None:
    while not condition():
        assert process.is_alive(), "the training ended too early"
        time.sleep(0.002)


def saved(folder: Path) -> dict[Path, int]:
    """Checkpoints and when they were written, but for any that the next one is just replacing."""
    found = {}
    for path in folder.glob("checkpoint-*.safetensors"):
        with contextlib.suppress(FileNotFoundError):
            found[path] = path.stat().st_mtime_ns
    return found


def without_seconds(history: list[dict]) -> list[dict]:
    return [{key: value for key, value in record.items() if key != "seconds"} for record in history]


@pytest.fixture(scope="module")
def uninterrupted():
    """Weights and history of both kinds, trained here without a checkpoint."""
    with one_thread():  # as in the child processes: rounding depends on it
        said, said_history = train(small_encoder(), **SAID)
        vae, vae_history = train_vae(report=lambda _: None)
    return {"said": (said, said_history), "vae": (vae, vae_history)}


@pytest.mark.parametrize("kind", ["said", "vae"])
def test_a_training_killed_at_random_moments_ends_as_if_it_had_not_been(kind, start, tmp_path, uninterrupted):
    moments = random.Random(kind)
    for kill in range(4):
        before = saved(tmp_path)
        process = start(kind, tmp_path, steps=12)  # four times that is less than the training has
        wait_until(lambda: saved(tmp_path) not in ({}, before), process)  # noqa: B023, used at once
        time.sleep(moments.uniform(0, 0.2))
        process.kill()
        text = ended(process, tmp_path)
        assert f"exit code {-signal.SIGKILL}" in text
        assert kill == 0 or "continues after step" in text
    assert "continues after step" in ended(start(kind, tmp_path), tmp_path)
    trained, history = uninterrupted[kind]
    assert same((model if kind == "said" else extractor).load(tmp_path / "weights.safetensors"), trained)
    assert without_seconds(read_jsonl(tmp_path / "history.jsonl")) == without_seconds(history)
    assert not list(tmp_path.glob("*checkpoint*")), "nothing is left behind"
    assert scalars(tmp_path / "events.out.tfevents") == {
        name: [(record["step"], pytest.approx(record[name])) for record in history]
        for name in history[0].keys() - {"epoch", "step", "seconds"}
    }


def scalars(path: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard itself reads from an event file."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(path))
    events.Reload()
    return {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_ends_with_a_code_of_its_own(number, start, tmp_path, uninterrupted):
    process = start("vae", tmp_path, save_every=3600, steps=0)
    wait_until(lambda: saved(tmp_path), process)
    os.kill(process.pid, number)
    text = ended(process, tmp_path)
    assert f"because it received {number.name}; run again to continue" in text
    assert EXIT_CODE == 75 and text.endswith("exit code 75")
    assert "continues after step" in ended(start("vae", tmp_path), tmp_path)
    assert same(extractor.load(tmp_path / "weights.safetensors"), uninterrupted["vae"][0])


def test_a_training_out_of_time_saves_and_goes_on_in_the_next_job(start, tmp_path, uninterrupted):
    text = ended(start("vae", tmp_path, save_every=3600, limit=0.0), tmp_path)
    assert "stopped at step 1 of 120, because its time is up" in text and text.endswith("exit code 75")
    assert "continues after step 1 of 120" in ended(start("vae", tmp_path), tmp_path)
    assert same(extractor.load(tmp_path / "weights.safetensors"), uninterrupted["vae"][0])


def test_the_deadline_of_a_job():
    assert job_deadline(60, {}, now=0.0) is None, "a local job is not ended at its estimated runtime"
    assert job_deadline(60, {"SLURM_JOB_ID": "1"}, now=0.0) == 3600 - 300
    assert job_deadline(60, {"SLURM_JOB_ID": "1", "SLURM_JOB_END_TIME": "7200"}, now=0.0) == 7200 - 300
    assert job_deadline(10, {"SLURM_JOB_ID": "1"}, now=0.0) == 600 - 60
    assert job_deadline(None, {"SLURM_JOB_ID": "1"}, now=0.0) is None


def test_a_signal_that_arrives_twice_is_one():
    """A group's signal reaches a training from the group and from the run that passes it on."""
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert interruption.reason == "it received SIGTERM"


def test_a_second_signal_acts_as_ever(monkeypatch):
    monkeypatch.setattr("said.running.interruption.REPEAT", 0.0)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    with pytest.raises(KeyboardInterrupt), Interruption() as interruption:
        assert interruption.reason is None
        signal.raise_signal(signal.SIGINT)
        assert interruption.reason == "it received SIGINT"
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# The files


class Stop(Exception):
    pass


def interrupt(path, lines=2, **settings):
    """Train until so many lines of progress were reported; returns the checkpoint's file."""
    said = []

    def report(text):
        said.append(text)
        if sum("denoises worse" not in line for line in said) == lines:
            raise Stop

    with pytest.raises(Stop), Checkpoint(path) as checkpoint:
        train(small_encoder(), report=report, run={"checkpoint": checkpoint}, **settings)
    return checkpoint.path


def resume(path, **settings):
    """Train to the end; returns the model and what was reported."""
    said = []
    with Checkpoint(path) as checkpoint:
        trained, _ = train(small_encoder(), report=said.append, run={"checkpoint": checkpoint}, **settings)
    return trained, said


@pytest.fixture(scope="module")
def plain():
    return train(small_encoder())[0]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.safetensors"


def test_a_checkpoint_of_other_settings_is_named_kept_and_continued_when_they_return(path, plain):
    file = interrupt(path)
    _, said = resume(path, learning_rate=1e-3, loss="l2")
    (line,) = [text for text in said if str(file) in text]
    assert "not continued" in line and "goes on from step 2" in line
    assert "said.learning_rate 0.003 -> 0.001" in line and "said.loss l1 -> l2" in line
    assert not any("continues" in text for text in said)
    trained, said = resume(path)
    assert any("continues after step 2 of 8" in text for text in said)
    assert same(trained, plain)


def test_a_checkpoint_under_anothers_name_is_refused(path):
    other = interrupt(path, learning_rate=1e-3)
    file = interrupt(path, lines=3)
    other.replace(file)
    stated = r"another training: said.learning_rate 0.001 -> 0.003. Remove the file"
    with pytest.raises(ValueError, match=stated) as error:
        resume(path)
    assert str(file) in str(error.value) and file.exists()


def truncate(content: bytes) -> bytes:
    return content[:5000]


def flip_a_bit_of_a_weight(content: bytes) -> bytes:
    return content[:-100] + bytes([content[-100] ^ 1]) + content[-99:]


def change_a_digit_of_the_step(content: bytes) -> bytes:
    assert content.count(rb"\"step\": 4") >= 1
    return content.replace(rb"\"step\": 4", rb"\"step\": 3")


@pytest.mark.parametrize("damage", [truncate, flip_a_bit_of_a_weight, change_a_digit_of_the_step])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(damage, path, plain):
    file = interrupt(path, lines=3)
    file.write_bytes(damage(file.read_bytes()))
    trained, said = resume(path)
    assert any(f"{file}: damaged and removed" in text for text in said)
    assert any("continues after step 2 of 8" in text for text in said)
    assert same(trained, plain)


def test_a_damaged_checkpoint_does_not_replace_the_one_before(path, plain):
    file = interrupt(path, lines=4)
    file.write_bytes(truncate(file.read_bytes()))
    interrupt(path, lines=3)  # killed again just as it had found the damage
    _, said = resume(path)
    assert any("continues after step" in text for text in said)


def test_two_damaged_checkpoints_are_named_and_the_training_begins_anew(path, plain):
    file = interrupt(path, lines=3)
    for one in (file, file.with_name(file.name + ".previous")):
        one.write_bytes(truncate(one.read_bytes()))
    trained, said = resume(path)
    assert sum("damaged and removed" in text for text in said) == 2
    assert same(trained, plain)


def test_leftovers_of_a_killed_write_are_removed(path):
    file = interrupt(path)
    leftover = file.with_name(f".{file.name}-abc.new")
    leftover.write_bytes(b"half")
    resume(path)
    assert not leftover.exists()


def test_the_result_can_be_lost_and_is_not_trained_again(path, plain):
    with pytest.raises(Stop), Checkpoint(path) as checkpoint:
        train(small_encoder(), run={"checkpoint": checkpoint})
        raise Stop  # before the weights are written
    trained, said = resume(path)
    assert any("continues after step 8 of 8" in text for text in said)
    assert same(trained, plain)


def test_a_checkpoint_holds_no_pickle(path):
    tensors, metadata = read_tensors(interrupt(path, lines=3))
    assert metadata["step"] == 4 and len(metadata["history"]) == 2
    assert {"model", "average", "best", "optimizer", "extra"} == {key.split("/")[0] for key in tensors}


# Losses that are not finite


def explode(path, at_step: int, how: str, **changes):
    """Fit y = x, with a fault at a step: in the loss, or in its gradient alone."""
    torch.manual_seed(0)
    net = torch.nn.Linear(1, 1)

    def objective(step):
        loss = (net(torch.ones(2, 1)) - 1).square().mean()
        if step.number == at_step:
            zero = net.weight.sum() * 0
            loss = loss + (zero.sqrt() if how == "gradient" else zero + float(how))
        return loss, {}

    settings = FitSettings(**{"epochs": 40, "batch_size": 2, "learning_rate": 0.01, "validate_every": 5, **changes})
    items = ["ann/1", "ann/2", "ben/1", "ben/2"]
    with Checkpoint(path) as checkpoint:
        fit(
            net,
            objective,
            lambda: float(net.weight.detach().abs()),
            items=items,
            settings=settings,
            seed=0,
            journal=Journal("line", {}, checkpoint=checkpoint, report=lambda _: None),
        )


@pytest.mark.parametrize(
    ("how", "at_step", "what", "stated", "kept"),
    [
        # Just before a checkpoint is due, whose write must not replace the good one; and between two.
        ("nan", 29, "loss is", 30, 20),
        ("inf", 33, "loss is", 34, 30),
        ("gradient", 29, "weights are", 30, 20),
        ("gradient", 33, "loss is", 35, 30),
    ],
)
def test_a_loss_that_is_not_finite_stops_and_the_last_good_state_is_kept(how, at_step, what, stated, kept, path):
    place = rf"step {stated} \(epoch {(stated + 1) // 2}, learning rate 0.01, batch \w+/\d, \w+/\d\)"
    match = f"line: the {what} not finite at {place}"
    with pytest.raises(FloatingPointError, match=match):
        explode(path, at_step, how)
    (file,) = path.parent.glob("checkpoint-*.safetensors")
    tensors, metadata = read_tensors(file)
    assert metadata["step"] == kept
    assert all(torch.isfinite(value).all() for value in tensors.values())
