"""One run at a time in a folder; what a killed one leaves is ended before the next begins. Real processes only."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

from said.workflow import locks, takeover

HOLDER = """
import sys, time
from said.workflow import takeover
takeover.take_over(sys.argv[1])
print("held", flush=True)
{then}
"""
ORPHAN = "import signal, sys, time; {handler}; print('at work', flush=True); time.sleep(600)"


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
    holder = started(HOLDER.format(then="time.sleep(600)"), tmp_path)
    with pytest.raises(takeover.TakeoverError) as error:
        locks.acquire(tmp_path)
    assert f"{tmp_path}: another run is active here: process {holder.pid} on " in str(error.value)
    assert "Nothing was changed" in str(error.value) and "start again" in str(error.value)
    assert json.loads((tmp_path / ".snakemake/run.json").read_text())["pid"] == holder.pid


def test_a_killed_run_leaves_no_lock(started, tmp_path):
    holder = started(HOLDER.format(then="time.sleep(600)"), tmp_path)
    holder.kill()
    holder.wait()
    locks.acquire(tmp_path).release()


def test_a_run_that_ends_leaves_no_trace(started, tmp_path):
    assert started(HOLDER.format(then=""), tmp_path).wait(timeout=600) == 0
    assert not (tmp_path / ".snakemake/run.json").exists()
    locks.acquire(tmp_path).release()


def test_the_children_of_a_killed_run_are_ended_before_the_next_begins(started, tmp_path, capfd):
    """The main process alone is killed: its child, a shell's child, works on until the next run starts."""
    child = f"""
import subprocess
shell = "trap '' INT; {sys.executable} -c 'import time; time.sleep(600)' & echo $!; wait"
child = subprocess.Popen(["bash", "-c", shell], stdout=subprocess.PIPE, text=True)
print(child.pid, child.stdout.readline(), flush=True)
time.sleep(600)"""
    holder = started(HOLDER.format(then=child), tmp_path)
    left = [int(pid) for pid in holder.stdout.readline().split()]
    assert len(left) == 2
    holder.kill()
    holder.wait()
    assert all(alive(pid) for pid in left)
    assert started(HOLDER.format(then=""), tmp_path).wait(timeout=600) == 0
    assert not any(alive(pid) for pid in left)


def test_a_leftover_process_may_save_before_it_ends(started, tmp_path):
    saved = tmp_path / "saved"
    save = f"signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.5), open({str(saved)!r}, 'w'), sys.exit()))"
    orphan = started(ORPHAN.format(handler=save), **{takeover.VARIABLE: str(tmp_path)})
    asked = f"A killed run left processes behind: process {orphan.pid}. They are asked to save and end"
    assert end_processes(tmp_path) == [asked]
    assert saved.exists() and orphan.wait(timeout=600) == 0


def test_a_leftover_process_that_ignores_the_request_is_killed(started, tmp_path):
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    orphan = started(ORPHAN.format(handler=ignore), **{takeover.VARIABLE: str(tmp_path)})
    lines = end_processes(tmp_path, patience=1)
    assert orphan.wait(timeout=600) == -signal.SIGKILL
    assert lines[1] == f"Still running after 1 s, killed now: process {orphan.pid}"


def test_processes_of_other_folders_and_one_s_own_are_left_alone(started, tmp_path):
    other = started(ORPHAN.format(handler="pass"), **{takeover.VARIABLE: str(tmp_path / "other")})
    plain = started(ORPHAN.format(handler="pass"))
    # This one carries the mark of the folder itself, and so do its parent and its child.
    family = """
import subprocess, sys
from pathlib import Path
from said.workflow import takeover
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
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
        timeout=600,
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
    time.sleep(600)
"""
    holder = started(HOLDER.format(then=write), tmp_path)
    partial = Path(holder.stdout.readline().strip())
    holder.kill()
    holder.wait()
    assert partial.exists()
    (results / "whole.csv").write_text("kept")
    assert started(HOLDER.format(then=""), tmp_path).wait(timeout=600) == 0
    assert [path.name for path in results.glob("[!.]*")] == ["whole.csv"] and not partial.exists()


def test_a_queue_that_cannot_be_seen_is_an_error_with_its_remedy(tmp_path, monkeypatch):
    """Slurm's client without a cluster, or no client at all: both say what to do."""
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "none"))
    with pytest.raises(takeover.TakeoverError, match="squeue: .*start again when `squeue --me` works"):
        takeover.cancel_jobs(tmp_path)


@pytest.fixture
def shared(tmp_path: Path) -> tuple[Path, Path]:
    """Two copies of the workflow whose results are one folder."""
    folders = tmp_path / "one", tmp_path / "other"
    for folder in folders:
        folder.mkdir()
    return folders


def link(folders: tuple[Path, Path], part: str) -> Path:
    """Have `part` of the first folder be that of the second, too."""
    (folders[0] / part).mkdir(parents=True)
    (folders[1] / part).parent.mkdir(exist_ok=True)
    (folders[1] / part).symlink_to(folders[0] / part)
    return folders[0] / part


@pytest.mark.parametrize("part", ["results", "results/synthetic-smoke"])
def test_two_folders_with_the_same_results_do_not_run_at_once(part, started, shared):
    partial = link(shared, part) / ".table-12345678.partial.csv"
    holder = started(HOLDER.format(then="time.sleep(60)"), shared[0])
    partial.write_text("half")
    with pytest.raises(locks.TakeoverError) as error:
        takeover.take_over(shared[1])
    said = str(error.value)
    assert said.startswith(f"{shared[1]}: another run is active here: process {holder.pid} on ")
    assert f"in {shared[0]}, on the same results" in said and "a folder whose results are its own" in said
    assert partial.exists() and holder.poll() is None
    holder.kill()
    holder.wait()
    assert started(HOLDER.format(then=""), shared[1]).wait(timeout=30) == 0
    assert not partial.exists() and not list(shared[1].rglob("run.json"))


def test_what_a_killed_run_of_another_folder_left_on_the_same_results_is_ended(started, shared):
    link(shared, "results")
    child = f"""
import subprocess
print(subprocess.Popen([{sys.executable!r}, "-c", "import time; time.sleep(60)"]).pid, flush=True)
time.sleep(60)"""
    holder = started(HOLDER.format(then=child), shared[0])
    left = int(holder.stdout.readline())
    holder.kill()
    holder.wait()
    assert alive(left)
    assert started(HOLDER.format(then=""), shared[1]).wait(timeout=30) == 0
    assert not alive(left)


def test_a_link_to_results_that_are_not_there_is_named(tmp_path):
    (tmp_path / "results").symlink_to(tmp_path / "disk")
    with pytest.raises(locks.TakeoverError, match=f"results: is a link to {tmp_path}/disk, which does not exist"):
        takeover.take_over(tmp_path)


@pytest.fixture
def no_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Environment in which no Slurm answers."""
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "none"))
    return {"SLURM_CONF": str(tmp_path / "none")}


def test_a_profile_of_slurm_where_there_is_none_leaves_nothing_behind(no_slurm, started, tmp_path):
    for _ in range(2):
        with pytest.raises(locks.TakeoverError, match="squeue: .*Nothing was changed.*without `--profile slurm`"):
            takeover.take_over(tmp_path, slurm=True)
        assert not list(tmp_path.rglob("run.json"))
    assert started(HOLDER.format(then=""), tmp_path, **no_slurm).wait(timeout=30) == 0


def test_jobs_of_a_killed_run_that_cannot_be_seen_stop_the_next_one_until_told_otherwise(no_slurm, started, tmp_path):
    holder = started(HOLDER.format(then="time.sleep(60)"), tmp_path)
    holder.kill()
    holder.wait()
    for path in tmp_path.rglob("run.json"):
        path.write_text(path.read_text().replace('"slurm": false', '"slurm": true'))
    before = {path: path.read_text() for path in tmp_path.rglob("run.json")}
    assert len(before) == 2
    for _ in range(2):
        with pytest.raises(
            locks.TakeoverError, match="start again when `squeue --me` works; or, .* after `rm"
        ) as error:
            takeover.take_over(tmp_path)
        assert {path: path.read_text() for path in tmp_path.rglob("run.json")} == before
    subprocess.run(str(error.value).split("`")[-2], shell=True, check=True)
    assert started(HOLDER.format(then=""), tmp_path, **no_slurm).wait(timeout=30) == 0


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"{}", b'{"pid": 1}', b'{"pid": 1, "host": null}']
)
def test_a_damaged_file_on_the_last_run_is_told_of_and_written_anew(content, tmp_path):
    path = tmp_path / ".snakemake/run.json"
    path.parent.mkdir()
    path.write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", HOLDER.format(then=""), tmp_path],
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts"), "PATH": ""},  # where no squeue is, none is waited for
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{path}: does not say which run was here last (")
    assert not path.exists()


@pytest.mark.parametrize(("age", "goes_on"), [(20, False), (3600, True)])
def test_a_run_of_another_host_is_known_by_its_signs_of_life(age, goes_on, started, tmp_path):
    """A file system may keep a lock to the host that holds it."""
    holder = started(HOLDER.format(then="time.sleep(60)"), tmp_path)
    holder.kill()
    holder.wait()
    for path in tmp_path.rglob("run.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"host": "elsewhere"}))
        os.utime(path, (time.time() - age, time.time() - age))
    if goes_on:
        assert started(HOLDER.format(then=""), tmp_path).wait(timeout=30) == 0
        assert not list(tmp_path.rglob("run.json"))
    else:
        with pytest.raises(locks.TakeoverError, match="on elsewhere, since .*last sign of life is .* start again in"):
            takeover.take_over(tmp_path)


def test_a_run_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_BEAT", 0.01)
    path = tmp_path / "run.json"
    path.touch()
    os.utime(path, (0, 0))
    ended = locks.give_signs_of_life([tmp_path, tmp_path / "gone"])
    try:
        end = time.monotonic() + 30
        while path.stat().st_mtime == 0:
            assert time.monotonic() < end
            time.sleep(0.01)
    finally:
        ended.set()


def end_processes(folder: Path, **settings) -> list[str]:
    """What `takeover.end_processes` reports, called in a process that has no kin here but its parents."""
    call = f"takeover.end_processes(Path(sys.argv[1]), **{settings!r})"
    code = f"import sys; from pathlib import Path; from said.workflow import takeover; {call}"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
    done = subprocess.run(
        [sys.executable, "-c", code, folder], env=environment, capture_output=True, text=True, timeout=600, check=True
    )
    return done.stdout.splitlines()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
