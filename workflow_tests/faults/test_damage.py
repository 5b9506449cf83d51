"""Files that were cut off or changed behind Snakemake's back."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT, SMOKE, differences
from torch import nn

from said import corpus
from said.files.arrays import read_arrays, read_frames, write_arrays, write_frames
from said.files.audio import read_audio, write_audio
from said.files.finished import Finished
from said.files.meshes import read_mesh, write_mesh
from said.files.tables import read_coefficients, write_coefficients
from said.files.tensors import read_tensors, write_tensors
from said.files.text import read_json, read_jsonl, write_json, write_jsonl
from said.running.integrity import DamagedError
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


@pytest.mark.parametrize("share", [0.0, 0.1, 0.57, 0.9])
@pytest.mark.parametrize("name", WRITTEN)
def test_a_file_that_is_cut_off_is_named_with_the_remedy(name, share, tmp_path):
    write, read = WRITTEN[name]
    path = tmp_path / name
    write(path)
    read(path)
    content = path.read_bytes()
    path.write_bytes(content[: round(share * len(content))])
    if name == "history.jsonl" and share == 0.0:
        return  # no record at all is a history, too
    with pytest.raises(DamagedError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: damaged or incomplete (")
    assert f"`rm -r {path}` and run again" in str(error.value)


def test_coefficients_cut_off_between_two_lines_are_named(tmp_path):
    """What is left is a CSV as good as any: its checksum alone tells."""
    folder = tmp_path / "speaker"
    corpus.write_coefficients(folder, {"sentence01": RANDOM.random((40, 32)), "sentence02": RANDOM.random((40, 32))})
    path = folder / "sentence02.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:20]))
    read_coefficients(path)
    with pytest.raises(DamagedError, match=f"{path}: .*`rm -r {folder}` and run again"):
        corpus.read_coefficients(folder)
    path.unlink()
    with pytest.raises(DamagedError, match=f"{path}: "):
        corpus.read_coefficients(folder)


@pytest.mark.parametrize("kept", [0, 30, 70, None])
def test_a_list_of_checksums_that_is_cut_off_or_missing_is_no_list(kept, tmp_path):
    folder = tmp_path / "speaker"
    corpus.write_coefficients(folder, {"sentence01": RANDOM.random((40, 32))})
    corpus.read_coefficients(folder)
    sums = folder / "SHA256SUMS"
    content = sums.read_bytes()
    sums.unlink()
    if kept is not None:
        sums.write_bytes(content[:kept])
    with pytest.raises(DamagedError, match=f"`rm -r {folder}` and run again"):
        corpus.read_coefficients(folder)


def test_damaged_results_are_named_and_made_anew(edited, smoke, observed):
    results = edited.folder / "results/synthetic-smoke"
    weights, speaker = results / "extractor/vae.safetensors", results / "coefficients/speaker11"
    weights.write_bytes(weights.read_bytes()[:1000])
    sentence = speaker / "sentence01.csv"
    sentence.write_text("".join(sentence.read_text().splitlines(keepends=True)[:-9]))
    export = "results/synthetic-smoke/export/vae.pth"
    forced = ("--forcerun", "ground_truth", "--keep-going")
    failed = edited("results/table1.csv", export, *SMOKE, *forced, check=False)
    assert failed.returncode == 1
    lines = {line for line in failed.stderr.splitlines() if line.startswith("said.running.integrity.DamagedError: ")}
    messages = dict(sorted((line.split(": ")[1], line.split(": ", 1)[1]) for line in lines))
    by_name = {name.rpartition("/")[2]: message for name, message in messages.items()}
    assert by_name.keys() == {"vae.safetensors", "sentence01.csv"}
    weights.unlink()
    shutil.rmtree(speaker)
    edited("results/table1.csv", *SMOKE)
    (edited.folder / export).unlink(missing_ok=True)
    assert differences(edited.folder / "results", smoke.folder / "results") == []
    observed("a result cut off or changed by hand", by_name["vae.safetensors"], edited.folder)
    observed("the same, in a folder of coefficients", by_name["sentence01.csv"], edited.folder)


def state() -> TrainingState:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    average = {name: value.detach().clone() for name, value in model.named_parameters()}
    return TrainingState(model, torch.optim.AdamW(model.parameters()), average)


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
    (path,) = kept.folder.iterdir()
    for content in (b"", path.read_bytes()[:-30], path.read_bytes()[:400] + bytes(8) + path.read_bytes()[408:]):
        path.write_bytes(content)
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
