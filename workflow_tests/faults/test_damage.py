"""Files that were cut off or changed behind Snakemake's back."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, SMOKE, differences
from torch import nn

from said import corpus
from said.files import gltf, video
from said.files.arrays import read_arrays, read_frames, write_arrays, write_frames
from said.files.audio import read_audio, write_audio
from said.files.finished import Finished
from said.files.images import write_image
from said.files.meshes import read_mesh, write_mesh
from said.files.tables import read_coefficients, write_coefficients
from said.files.tensors import read_tensors, write_tensors
from said.files.text import read_json, read_jsonl, write_json, write_jsonl, write_text
from said.running import integrity
from said.running.integrity import ChangedError, UnreadableError
from said.training.checkpoint import Checkpoint, TrainingState

pytest_plugins = ["reliability"]

RANDOM = np.random.default_rng(0)
WRITTEN = {
    "mesh.ply": (
        lambda path: write_mesh(path, RANDOM.random((50, 3)), RANDOM.integers(50, size=(90, 3))),
        read_mesh,
    ),
    "table.csv": (lambda path: write_coefficients(path, RANDOM.random((40, 32))), read_coefficients),
    "speech.wav": (lambda path: write_audio(path, RANDOM.random(4000), 16000), read_audio),
    "frames.npy": (lambda path: write_frames(path, RANDOM.random((9, 40, 3))), read_frames),
    "arrays.npz": (lambda path: write_arrays(path, {"values": RANDOM.random((9, 40))}), read_arrays),
    "weights.safetensors": (lambda path: write_tensors(path, {"a": torch.ones(500)}), read_tensors),
    "value.json": (lambda path: write_json(path, list(range(500))), read_json),
    "history.jsonl": (lambda path: write_jsonl(path, [{"loss": 1.0}] * 47), read_jsonl),
}
PICTURES = RANDOM.integers(255, size=(4, 64, 48, 3), dtype=np.uint8)
OTHERS = {
    "picture.png": lambda path: write_image(path, PICTURES[0]),
    "page.pdf": lambda path: write_image(path, PICTURES[0]),
    "page.html": lambda path: write_text(path, "<p>0.1234</p>"),
    "film.mp4": lambda path: video.write(path, PICTURES, 60, RANDOM.random(1600), 16000),
    "mesh.obj": lambda path: write_mesh(path, RANDOM.random((50, 3)), RANDOM.integers(50, size=(90, 3))),
    "head.glb": lambda path: gltf.write_morph_targets(
        path, RANDOM.random((50, 3)), RANDOM.integers(50, size=(90, 3)), {"jawOpen": RANDOM.random((50, 3))}
    ),
}


def flip(path: Path, bit: int) -> None:
    """Change one bit of a file, as a disk may: its date stays."""
    status, content = path.stat(), bytearray(path.read_bytes())
    content[bit // 8 % len(content)] ^= 1 << bit % 8
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.57, 0.9])
@pytest.mark.parametrize("name", WRITTEN)
def test_a_file_that_is_cut_off_is_named_and_nobody_s_own_is_to_be_removed(name, share, tmp_path):
    write, read = WRITTEN[name]
    path = tmp_path / name
    write(path)
    read(path)
    content = path.read_bytes()
    integrity.write_sums(path)
    path.write_bytes(content[: round(share * len(content))])
    if name == "history.jsonl" and share == 0.0:
        return  # no record at all is a history, too
    with pytest.raises(ChangedError, match=f"^{path}: has changed since .*`rm -r {path}` and run again"):
        read(path)
    integrity.remove_sums(path)
    with pytest.raises(UnreadableError, match=f"^{path}: cannot be read") as error:
        read(path)
    assert "rm " not in str(error.value) and "damaged" not in repr(error.value).lower()


@pytest.mark.parametrize("name", [*WRITTEN, *OTHERS])
def test_any_changed_bit_of_any_result_is_found(name, tmp_path):
    path = tmp_path / name
    (WRITTEN[name][0] if name in WRITTEN else OTHERS[name])(path)
    integrity.write_sums(path)
    for bit in RANDOM.integers(8 * path.stat().st_size, size=40):
        flip(path, bit)
        with pytest.raises(ChangedError) as error:
            integrity.verify([path])
        assert (error.value.path, error.value.made) == (path, path)
        flip(path, bit)
    integrity.verify([path])


@pytest.fixture
def speaker(tmp_path: Path) -> Path:
    """A result that is a folder, with its sums."""
    folder = tmp_path / "coefficients/speaker"
    corpus.write_coefficients(folder, {"sentence01": RANDOM.random((40, 32)), "sentence02": RANDOM.random((40, 32))})
    write_text(folder / "phones/sentence01.txt", "a e i")
    integrity.write_sums(folder)
    return folder


FAULTS = {
    "cut off between two lines": lambda folder: cut(folder / "sentence02.csv", 20),
    "a bit": lambda folder: flip(folder / "phones/sentence01.txt", 9),
    "gone": lambda folder: (folder / "sentence01.csv").unlink(),
    "all gone": lambda folder: shutil.rmtree(folder),
    "new": lambda folder: write_text(folder / "sentence03.csv", "mine"),
    "sums cut off": lambda folder: cut(folder.parent / ".sums/speaker", 1),
    "sums empty": lambda folder: cut(folder.parent / ".sums/speaker", 0),
    "sums are none": lambda folder: (folder.parent / ".sums/speaker").write_bytes(b"\xff" * 90),
    "a bit of the sums": lambda folder: flip(folder.parent / ".sums/speaker", 99),
}


def cut(path: Path, lines: int) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:lines]))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_folder_is_what_was_written_or_named(fault, speaker):
    integrity.verify([speaker])
    FAULTS[fault](speaker)
    with pytest.raises(ChangedError, match=f"`rm -r {speaker}` and run again.*`rm {speaker.parent}/.sums/speaker`"):
        integrity.verify([speaker])
    integrity.remove_sums(speaker)
    integrity.verify([speaker])


def test_a_file_in_a_folder_is_held_against_the_folder_s_sums(speaker):
    """As where a recording's reference names one sentence of a speaker's."""
    flip(speaker / "sentence02.csv", 800)
    integrity.verify([speaker / "sentence01.csv", speaker / "phones"])
    for path in (speaker / "sentence02.csv", speaker / "sentence09.csv"):
        with pytest.raises(ChangedError, match=f"^{path}: has .*`rm -r {speaker}`"):
            integrity.verify([path])


def test_sums_travel_with_copies_and_are_read_by_sha256sum(speaker, tmp_path):
    for name in (".nfs0001", "phones/.DS_Store", ".snakemake_timestamp"):
        (speaker / name).write_text("of others")
    copy = shutil.copytree(speaker.parent, tmp_path / "copy", copy_function=shutil.copyfile)
    integrity.verify([copy / "speaker"])
    subprocess.run(["sha256sum", "--check", "--strict", ".sums/speaker"], cwd=copy, check=True)
    assert list(integrity.changed_below(tmp_path)) == []
    flip(copy / "speaker/sentence01.csv", 500)
    shutil.rmtree(speaker)  # what is not there is to be made, and no fault
    assert [error.path for error in integrity.changed_below(tmp_path)] == [copy / "speaker/sentence01.csv"]
    assert list(integrity.missing_below(tmp_path)) == [speaker]


def test_what_has_no_sums_is_taken_as_it_is(tmp_path):
    path = tmp_path / "mine.csv"
    write_coefficients(path, RANDOM.random((4, 32)))
    integrity.verify([path, tmp_path, tmp_path / "absent.csv"])
    assert not integrity.has_sums(path)


def test_on_a_shared_file_system_sums_may_appear_late(tmp_path):
    path = tmp_path / "value.json"
    write_text(path, "1")
    integrity.write_sums(path)
    write_text(path, "2")
    late = threading.Timer(1.0, integrity.write_sums, [path])
    late.start()
    integrity.verify([path], latency=60.0)
    late.join()
    write_text(path, "3")
    os.utime(path, (0, 0))
    os.utime(tmp_path / ".sums/value.json", (0, 0))
    with pytest.raises(ChangedError):  # nothing about it is new
        integrity.verify([path], latency=60.0)


JOB = """
import sys
from pathlib import Path
from said.running import console
source, target, how = sys.argv[1:]
console.start("log", [source], [target])
print("begun", flush=True)
Path(target).write_text(Path(source).read_text())
if how == "fails":
    raise RuntimeError(how)
if how == "stops":
    Path(target).unlink()
    sys.exit(75)
if how == "finds no place for sums":
    Path(".sums").rename("sums")
    Path(".sums").write_text("")
"""


def test_a_job_signs_what_it_made_and_refuses_what_has_changed(tmp_path):
    def job(source: str, target: str, how: str = "ends") -> subprocess.CompletedProcess:
        command = [sys.executable, "-c", JOB, source, target, how]
        variables = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
        return subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)

    (tmp_path / "a").write_text("of the user's own")
    for how, status in {"fails": 1, "stops": 75, "ends": 0}.items():
        assert job("a", "b", how).returncode == status
        assert (tmp_path / ".sums/b").exists() == (how == "ends")
    assert job("b", "c").returncode == 0
    flip(tmp_path / "b", 5)
    failed = job("b", "c")
    assert failed.returncode == 1 and "begun" not in failed.stdout
    line = failed.stderr.splitlines()[-1]
    assert line.startswith("said.running.integrity.ChangedError: b: has changed since it was written.")
    assert line in (tmp_path / "log").read_text()
    (tmp_path / "a").write_text("changed by the user, as often as it pleases")
    assert job("a", "b").returncode == 0 and job("b", "c").returncode == 0
    assert job("b", "c", "finds no place for sums").returncode == 1, "nothing is made that is not signed"


def test_changed_results_are_named_and_made_anew(edited, smoke, observed):
    results = edited.folder / "results/synthetic-smoke"
    flipped = ["extractor/vae.safetensors", "figures/training.png"]
    for name in flipped:
        flip(results / name, 4 * (results / name).stat().st_size)
    sentence = results / "coefficients/speaker11/sentence01.csv"
    cut(sentence, -9)
    last = edited.folder / "results/table1.csv"
    flip(last, 99)
    verified = edited("verify", *SMOKE, check=False)
    assert verified.returncode == 1
    for path in (*(results / name for name in flipped), sentence, last):
        assert f"{path.relative_to(edited.folder)}: has changed since it was written" in verified.stderr

    export = "results/synthetic-smoke/export/vae.pth"
    targets = ("results/table1.csv", "results/figures/training.png")
    forced = ("--forcerun", "ground_truth", "publish_figure", "--keep-going")
    failed = edited(*targets, export, *SMOKE, *forced, check=False)
    assert failed.returncode == 1
    kind = "said.running.integrity.ChangedError: "
    messages = {line.removeprefix(kind) for line in failed.stderr.splitlines() if line.startswith(kind)}
    by_name = {message.split(":")[0].rpartition("/")[2]: message for message in messages}
    assert by_name.keys() == {"vae.safetensors", "sentence01.csv", "training.png"}
    messages.update(line for line in verified.stderr.splitlines() if line.startswith("results/table1.csv: "))
    for message in messages:
        subprocess.run(message.split("`")[1], shell=True, cwd=edited.folder, check=True)
    edited(*targets, *SMOKE)
    edited("verify", *SMOKE)
    (edited.folder / export).unlink(missing_ok=True)
    assert differences(edited.folder / "results", smoke.folder / "results") == []
    observed("a changed bit of a result", by_name["vae.safetensors"], edited.folder)
    observed("a result cut off, in a folder that is one", by_name["sentence01.csv"], edited.folder)


def state() -> TrainingState:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    average = {name: value.detach().clone() for name, value in model.named_parameters()}
    return TrainingState(model, torch.optim.AdamW(model.parameters()), average)


@pytest.mark.parametrize("part", ["model", "average"])
def test_a_checkpoint_that_does_not_fit_is_refused_by_name(tmp_path, part):
    one = state()
    tensors = one.tensors()
    tensors[f"{part}/third"] = tensors.pop(f"{part}/bias")
    with pytest.raises(ValueError, match=r"(?s)old\.safetensors: not the .*missing: bias .*unexpected: third") as error:
        one.restore(tensors, one.metadata(), tmp_path / "old.safetensors")
    assert "wrong shape" not in str(error.value)


def test_a_damaged_checkpoint_gives_way_to_the_one_before_it(tmp_path, observed):
    lines = []
    with pytest.raises(KeyboardInterrupt), Checkpoint(tmp_path / "checkpoint.safetensors") as checkpoint:
        one = state()
        assert not checkpoint.restore(one, {"name": "base"}, lines.append)
        for one.step in (10, 20):
            checkpoint.write(one)
        raise KeyboardInterrupt
    path = checkpoint.path
    path.write_bytes(path.read_bytes()[:-4] + b"\x00\x00\x80\x3f")  # other weights, as good a file as any
    other = state()
    assert Checkpoint(tmp_path / "checkpoint.safetensors").restore(other, {"name": "base"}, lines.append)
    assert other.step == 10
    (line,) = lines
    observed(
        "a training's saved state damaged",
        line.replace(path.name, "checkpoint.safetensors"),
        tmp_path,
        "steps since the state before it",
    )


def test_a_damaged_clip_of_an_interrupted_sampling_is_made_again(tmp_path):
    kept = Finished(tmp_path / "speaker.unfinished", ["identity"])
    kept.write("sentence01", RANDOM.random((9, 32)))
    (path,) = kept.folder.glob("*.npz")
    for content in (b"", path.read_bytes()[:-30], path.read_bytes()[:400] + bytes(8) + path.read_bytes()[408:]):
        path.write_bytes(content)
        assert kept.read("sentence01") is None
    kept.write("sentence01", np.ones((9, 32)))
    header = path.read_bytes().index(b"(9, 32)")
    flip(path, 8 * (header + 1))  # 8 rows of 32: as good an array as any
    assert kept.read("sentence01") is None
    kept.write("sentence01", np.ones((9, 32)))
    np.testing.assert_array_equal(kept.read("sentence01"), np.ones((9, 32)))


def test_a_damaged_cache_of_compiled_code_is_named_with_the_remedy(tmp_path, observed):
    """Numba's own: it raises what pickle raises."""
    code = """
import sys
import numpy as np
from said.running import console
console.start(sys.argv[1])
from said.synthetic import formants

print(formants._filter(np.zeros((2, 3, 3)), *np.ones((2, 2, 3)), np.ones(2), np.ones((4, 2)), 0.5, 0.0, 2, 16000).sum())
"""
    copy = tmp_path / "scripts"
    shutil.copytree(ROOT / "scripts/said", copy / "said", ignore=shutil.ignore_patterns("__pycache__"))

    def call() -> subprocess.CompletedProcess:
        command = [sys.executable, "-c", code, str(tmp_path / "log")]
        return subprocess.run(command, cwd=copy, env={"PYTHONPATH": str(copy)}, capture_output=True, text=True)

    first = call()
    assert first.returncode == 0, first.stderr
    cache = copy / "said/synthetic/__pycache__"
    (index,) = cache.glob("*.nbi")
    index.write_bytes(index.read_bytes()[:60])
    failed = call()
    assert failed.returncode == 1
    shutil.rmtree(cache)
    assert call().stdout == first.stdout
    observed("the cache of compiled code damaged", failed.stderr.splitlines()[-1], tmp_path)
