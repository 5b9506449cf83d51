"""A disk that is full, and one that cannot be written to."""

import numpy as np
import pytest
import torch
from conftest import SMOKE, differences

from said.files import gltf, video
from said.files.arrays import write_arrays, write_frames
from said.files.audio import write_audio
from said.files.images import write_image
from said.files.meshes import write_mesh
from said.files.tables import write_coefficients
from said.files.tensors import write_state_dict, write_tensors
from said.files.text import write_json, write_text
from said.running.atomic import DiskFullError, atomic_folder
from said.training.history import History

pytest_plugins = ["reliability"]

TARGET = "results/synthetic-smoke/corpus/sequences/speaker11"
RANDOM = np.random.default_rng(0)
NOISE = RANDOM.random((200, 300, 3)).astype(np.float32)


def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_room(workflow, smoke, mount, observed):
    disk = mount(workflow.folder / "results")
    disk.tmpfs("40m")  # the faces fit, a speaker's sentences do not
    failed = workflow(TARGET, *SMOKE, check=False)
    assert failed.returncode == 1
    (line,) = {line for line in failed.stderr.splitlines() if line.startswith("said.running.atomic.DiskFullError: ")}
    assert not list(workflow.folder.glob("results/**/*.partial*")), "the half-written file takes no room"
    finished = {path for path in workflow.folder.glob("results/synthetic-smoke/corpus/templates/*.ply")}
    made = {path: path.stat().st_mtime_ns for path in finished}
    disk.grow("200m")
    workflow(TARGET, *SMOKE)
    assert made and made == {path: path.stat().st_mtime_ns for path in finished}, "finished work is not done again"
    assert differences(workflow.folder / "results", smoke.folder / "results") == []
    observed("disk full", line.split(": ", 1)[1], workflow.folder)


def test_results_that_cannot_be_written_to_are_named_before_any_job(edited, smoke, mount, observed):
    place = edited.folder / "results/synthetic-smoke/extractor"
    for path in place.glob("[vh]*"):
        path.unlink()
    target = "results/synthetic-smoke/extractor/vae.safetensors"
    mounted = mount(place)
    mounted.read_only()
    refused = edited(target, *SMOKE, check=False)
    assert refused.returncode == 1 and "Training the VAE" not in refused.stderr
    (line,) = [line for line in refused.stderr.splitlines() if "cannot be written to" in line]
    mounted.close()
    edited(target, *SMOKE)
    assert differences(edited.folder / "results", smoke.folder / "results") == []
    observed("results read-only", line, edited.folder)


WRITERS = {
    "mesh.ply": lambda path: write_mesh(path, NOISE[:, 0], RANDOM.integers(200, size=(20000, 3))),
    "mesh.obj": lambda path: write_mesh(path, NOISE[:, 0], RANDOM.integers(200, size=(20000, 3))),
    "mesh.glb": lambda path: gltf.write_morph_targets(
        path, NOISE[0], RANDOM.integers(300, size=(100, 3)), {str(number): NOISE[number] for number in range(30)}
    ),
    "table.csv": lambda path: write_coefficients(path, RANDOM.random((2000, 32))),
    "speech.wav": lambda path: write_audio(path, RANDOM.random(100000), 16000),
    "frames.npy": lambda path: write_frames(path, NOISE),
    "arrays.npz": lambda path: write_arrays(path, {"noise": NOISE}),
    "weights.safetensors": lambda path: write_tensors(path, {"noise": torch.from_numpy(NOISE)}),
    "weights.pth": lambda path: write_state_dict(path, {"noise": torch.from_numpy(NOISE)}),
    "value.json": lambda path: write_json(path, NOISE[0].tolist() * 20),
    "picture.png": lambda path: write_image(path, (NOISE * 255).astype(np.uint8)),
    "picture.pdf": lambda path: write_image(path, (np.tile(NOISE, (3, 3, 1)) * 255).astype(np.uint8)),
    "film.mp4": lambda path: video.write(
        path, (RANDOM.integers(255, size=(200, 300, 3), dtype=np.uint8) for _ in range(30)), 60, NOISE[0, :, 0], 16000
    ),
    "events.out.tfevents": lambda path: History(path, [{"step": 1, "seconds": 1.0, "loss": 1.0}] * 4000, 1.0),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_writer_tells_of_a_full_disk(name, mount, tmp_path):
    disk = mount(tmp_path / "disk")
    disk.tmpfs("64k")
    with pytest.raises(DiskFullError, match=f"disk/{name}: the disk is full. Make room on the disk of"):
        WRITERS[name](disk.place / name)
    assert [path.name for path in disk.place.iterdir()] == ([name] if name.startswith("events") else [])


def test_a_folder_is_there_as_a_whole_or_not_at_all(mount, tmp_path):
    disk = mount(tmp_path / "disk")
    disk.tmpfs("64k")
    with pytest.raises(DiskFullError, match="disk/speaker/frames.npy: the disk is full"):
        with atomic_folder(disk.place / "speaker") as folder:
            write_text(folder / "first.txt", "written")
            write_frames(folder / "frames.npy", NOISE)
    assert list(disk.place.iterdir()) == []
