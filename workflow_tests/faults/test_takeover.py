"""One run at a time in a folder, and what a killed one leaves is ended before the next begins. Real processes all."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from said.workflow import takeover

HOLDER = """
import sys, time
from said.workflow import takeover
takeover.take_over(sys.argv[1])
print("held", flush=True)
{then}
"""
ORPHAN = "import signal, sys, time; {handler}; print('at work', flush=True); time.sleep(60)"


def python(code: str, *arguments, **environment: str) -> subprocess.Popen:
    """A Python process that has printed its first line."""
    variables = {key: value for key, value in os.environ.items() if key != takeover.VARIABLE}
    variables |= {"PYTHONPATH": str(ROOT / "scripts"), **environment}
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], env=variables, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline()
    return process


@pytest.fixture
def started():
    """Starts processes that do not outlive the test."""
    processes = []

    def start(*arguments, **environment) -> subprocess.Popen:
        processes.append(python(*arguments, **environment))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_second_run_is_refused_and_told_who_is_at_work(started, tmp_path):
    holder = started(HOLDER.format(then="time.sleep(60)"), tmp_path)
    with pytest.raises(takeover.TakeoverError) as error:
        takeover.acquire(tmp_path)
    assert f"{tmp_path}: another run is at work here: process {holder.pid} on " in str(error.value)
    assert "Nothing was changed" in str(error.value) and "start again" in str(error.value)
    assert json.loads((tmp_path / ".snakemake/run.json").read_text())["pid"] == holder.pid


def test_a_killed_run_leaves_no_lock(started, tmp_path):
    holder = started(HOLDER.format(then="time.sleep(60)"), tmp_path)
    holder.kill()
    holder.wait()
    takeover.acquire(tmp_path).release()


def test_a_run_that_ends_leaves_no_trace(started, tmp_path):
    assert started(HOLDER.format(then=""), tmp_path).wait(timeout=30) == 0
    assert not (tmp_path / ".snakemake/run.json").exists()
    takeover.acquire(tmp_path).release()


def test_the_children_of_a_killed_run_are_ended_before_the_next_begins(started, tmp_path, capfd):
    """The main process alone is killed: its child, a shell's child, works on until the next run starts."""
    child = f"""
import subprocess
shell = "trap '' INT; {sys.executable} -c 'import time; time.sleep(60)' & echo $!; wait"
child = subprocess.Popen(["bash", "-c", shell], stdout=subprocess.PIPE, text=True)
print(child.pid, child.stdout.readline(), flush=True)
time.sleep(60)"""
    holder = started(HOLDER.format(then=child), tmp_path)
    left = [int(pid) for pid in holder.stdout.readline().split()]
    assert len(left) == 2
    holder.kill()
    holder.wait()
    assert all(alive(pid) for pid in left)
    assert started(HOLDER.format(then=""), tmp_path).wait(timeout=30) == 0
    assert not any(alive(pid) for pid in left)


def test_a_leftover_process_may_save_before_it_ends(started, tmp_path):
    saved = tmp_path / "saved"
    save = f"signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.5), open({str(saved)!r}, 'w'), sys.exit()))"
    orphan = started(ORPHAN.format(handler=save), **{takeover.VARIABLE: str(tmp_path)})
    asked = f"A run that was killed has left processes at work: process {orphan.pid}. They are asked to save and end"
    assert end_processes(tmp_path) == [asked]
    assert saved.exists() and orphan.wait(timeout=5) == 0


def test_a_leftover_process_that_ignores_the_request_is_killed(started, tmp_path):
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    orphan = started(ORPHAN.format(handler=ignore), **{takeover.VARIABLE: str(tmp_path)})
    lines = end_processes(tmp_path, patience=1)
    assert orphan.wait(timeout=5) == -signal.SIGKILL
    assert lines[1] == f"Still at work after 1 s, killed now: process {orphan.pid}"


def test_processes_of_other_folders_and_one_s_own_are_left_alone(started, tmp_path):
    other = started(ORPHAN.format(handler="pass"), **{takeover.VARIABLE: str(tmp_path / "other")})
    plain = started(ORPHAN.format(handler="pass"))
    # This one carries the mark of the folder itself, and so do its parent and its child.
    family = """
import subprocess, sys
from pathlib import Path
from said.workflow import takeover
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
takeover.end_processes(Path(sys.argv[1]), patience=0.1)
print(child.poll(), flush=True)
child.kill()
"""
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {family!r}, sys.argv[1]])"
    relatives = subprocess.run(
        [sys.executable, "-c", parent, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts"), takeover.VARIABLE: str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert relatives.stdout.strip() == "None", relatives.stderr
    assert other.poll() is None and plain.poll() is None


def test_half_written_files_of_a_killed_run_are_removed(started, tmp_path):
    results = tmp_path / "results/run"
    write = """
from said.running.atomic import atomic
with atomic(sys.argv[1] + "/results/run/table.csv") as temporary:
    temporary.write_text("half")
    print(temporary, flush=True)
    time.sleep(60)
"""
    holder = started(HOLDER.format(then=write), tmp_path)
    partial = Path(holder.stdout.readline().strip())
    holder.kill()
    holder.wait()
    assert partial.exists()
    (results / "whole.csv").write_text("kept")
    assert started(HOLDER.format(then=""), tmp_path).wait(timeout=30) == 0
    assert [path.name for path in results.iterdir()] == ["whole.csv"]


def test_a_queue_that_cannot_be_seen_is_an_error_with_its_remedy(tmp_path, monkeypatch):
    """Slurm's client without a cluster, or no client at all: both say what to do."""
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "none"))
    with pytest.raises(takeover.TakeoverError, match="squeue: .*start again when `squeue --me` works"):
        takeover.cancel_jobs(tmp_path)


def end_processes(folder: Path, **settings) -> list[str]:
    """What `takeover.end_processes` reports, called in a process that has no kin here but its parents."""
    call = f"takeover.end_processes(Path(sys.argv[1]), **{settings!r})"
    code = f"import sys; from pathlib import Path; from said.workflow import takeover; {call}"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
    done = subprocess.run(
        [sys.executable, "-c", code, folder], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.splitlines()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
