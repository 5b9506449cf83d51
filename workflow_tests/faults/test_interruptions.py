"""A run that is killed, asked to end, or started twice: the next one goes on, and ends as an undisturbed one."""

import signal

import psutil
import pytest
from conftest import SMOKE, Workflow, differences
from harness import Attempt, kill_until_finished

pytest_plugins = ["reliability"]

WEIGHTS = "results/synthetic-smoke/extractor/vae.safetensors"
KILLS = 15


def test_kills_at_random_moments_change_nothing(workflow, smoke):
    """Up to one table, through every stage of the paper; harness.py does it with all tables."""
    arguments = ("results/table1.csv", *SMOKE)
    jobs = sum(workflow.jobs(*arguments).values())
    kills = list(kill_until_finished(workflow, arguments, jobs, KILLS, seed=0))
    assert len(kills) == KILLS and any(kill.jobs for kill in kills)
    assert differences(workflow.folder / "results", smoke.folder / "results") == []
    assert not list(workflow.folder.glob("results/**/*.partial*"))
    assert not (workflow.folder / ".snakemake/run.json").exists()


@pytest.fixture
def training(edited: Workflow) -> Workflow:
    """The finished run, but for an extractor whose training takes a while."""
    edited.edit("config.yaml", "extractor: {epochs: 4, warmup_epochs: 1,", "extractor: {epochs: 400, warmup_epochs: 1,")
    return edited


def test_a_training_survives_whatever_ends_its_run(training, observed):
    folder = training.folder
    arguments = (WEIGHTS, *SMOKE)

    def begin(*texts: str) -> Attempt:
        attempt = Attempt(training, *arguments)
        attempt.wait_for("extractor: epoch", *texts)
        return attempt

    first = begin()
    children = first.children()

    # Started a second time.
    refused = training(*arguments, check=False)
    assert refused.returncode == 1
    (line,) = [line for line in refused.stderr.splitlines() if "another run is active here" in line]
    observed("a second run in the same folder", line, folder)
    assert first.process.poll() is None

    # The main process killed: the training is an orphan until the next run asks it to save and end.
    first.kill("main process")
    assert any(psutil.pid_exists(child.pid) for child in children)
    second = begin("killed run left processes behind", "extractor: continues after step")
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    (line,) = [line for line in second.text.splitlines() if "killed run left processes behind" in line]
    observed("main process killed (`kill -9`)", line, folder)

    # SIGTERM to the main process alone.
    children = second.children()
    second.process.terminate()
    assert second.end() == 1
    line = stopped(second)
    assert not any(psutil.pid_exists(child.pid) for child in children)
    observed("SIGTERM", line, folder)

    # Ctrl-C, which a terminal sends to all.
    third = begin("extractor: continues after step")
    children = third.children()
    signal_group(third, signal.SIGINT)
    assert third.end() == 1
    line = stopped(third)
    assert not any(psutil.pid_exists(child.pid) for child in children)
    observed("Ctrl-C", line, folder)

    # All processes killed, as by a power cut: the state of the last validation is what there is.
    fourth = begin("extractor: continues after step")
    fourth.kill("all processes")
    fifth = begin("extractor: continues after step")
    line = next(line for line in fifth.text.splitlines() if "continues after step" in line)
    observed("power cut", line.partition(", epoch")[0], folder, "a job's work since its last saved state")
    assert fifth.end() == 0

    disturbed = (folder / WEIGHTS).read_bytes()
    training(*arguments, "--forcerun", "train_extractor")
    assert (folder / WEIGHTS).read_bytes() == disturbed


def stopped(attempt: Attempt) -> str:
    return next(line for line in attempt.text.splitlines() if line.startswith("extractor: stopped at step"))


def signal_group(attempt: Attempt, number: signal.Signals) -> None:
    for process in [*attempt.children(), psutil.Process(attempt.process.pid)]:
        process.send_signal(number)
