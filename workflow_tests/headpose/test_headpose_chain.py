"""`snakemake headpose` beside the smoke chain: what it makes, what a further method reruns, and what is refused."""

import shutil

import numpy as np
import pytest
from conftest import SMOKE, Workflow
from head_recordings import write_recording

from said.files.arrays import read_arrays, write_arrays
from said.files.tables import read_table
from said.files.text import read_json
from said.headpose.clips import names, read_clip, read_index
from said.headpose.features import read_features
from said.headpose.registry import KNOWN
from said.headpose.sampling import PoseModels, poses_of
from said.speech import load_encoder

HEADS = "results/synthetic-smoke/headpose"
MINE = (*SMOKE, "headpose={measures: {others: [mine]}}")


@pytest.fixture(scope="module")
def made(smoke, tmp_path_factory) -> Workflow:
    """A copy of the smoke chain in which heads were made too."""
    folder = tmp_path_factory.mktemp("heads") / "chain"
    shutil.copytree(smoke.folder, folder, symlinks=True)
    workflow = Workflow(folder)
    workflow("headpose", *SMOKE)
    return workflow


def test_heads_are_recorded_heard_and_measured(made):
    heads = made.folder / HEADS
    index = read_index(heads / "clips")
    assert index["split"].value_counts().to_dict() == {"train": 8, "test": 3, "validation": 1}
    for name in index["clip"]:
        semantic, mel = read_features(heads / "features", name)
        assert semantic.shape == (200, 32) and mel.shape == (200, 40)
        truth = read_clip(heads / "clips", name).truth
        assert truth.takes.shape == (5, 200, 3) and 4 <= len(truth.stresses) <= 30
        assert len(truth.questions) + len(truth.statements) >= 2
    table = read_table(made.folder / "results/headpose.csv")
    assert table["method"].tolist() == [*KNOWN, "vq", "base"]
    assert table["samples"].tolist() == [1, 5, 1, 1, 1, 2] and set(table["clips"]) == {3}
    page = (made.folder / "results/headpose.html").read_text()
    assert "reconstruction from the supplement" in page and "no published numbers" in page and "scale smoke" in page
    for figure in ("headpose_tracks.png", "headpose_beats.pdf", "headpose_codes.png"):
        assert (made.folder / f"results/figures/{figure}").stat().st_size > 10_000


def test_a_face_is_a_method_that_is_measured_as_all_are(made):
    made(f"{HEADS}/faces/headpose_base.json", f"{HEADS}/faces/headpose_vq.json", *SMOKE)
    spoken = read_arrays(made.folder / "results/synthetic-smoke/methods/headpose_base/speaker11.npz")
    truth = read_arrays(made.folder / "results/synthetic-smoke/methods/ground_truth/speaker11.npz")
    assert spoken.keys() == truth.keys()
    for name, samples in spoken.items():
        assert samples.shape[0] == 1 and samples.shape[2] == 32 and abs(samples.shape[1] - truth[name].shape[1]) <= 1
        assert 0 <= samples.min() and samples.max() <= 1
    measured = read_json(made.folder / HEADS / "faces/headpose_base.json")
    assert measured["lve_squared_mm2"] > 0 and measured["block_jump"] > 0 and -1 <= measured["jaw_correlation"] <= 1
    edited = (*SMOKE, "headpose={face_variants: {local_only: {hidden: 8}}}")
    rerun = made.jobs("headpose_faces", *edited)
    assert rerun["train_dual_path"] == 4 and "train_facial_vq" not in rerun, "base is made"
    assert not made.jobs(f"{HEADS}/faces/headpose_base.json", *edited)


def test_the_default_target_does_not_make_them(made):
    assert not made.jobs("all", *SMOKE)
    asked = made.jobs("all", *SMOKE, "scales={smoke: {headpose: {with_all: true, fid: {epochs: 3}}}}")
    assert asked.keys() >= {"train_pose_fid", "headpose_table"} and "record_talks" not in asked


def test_poses_are_sampled_for_a_recording_of_any_length(made):
    models = made.folder / HEADS / "models"
    loaded, speakers = PoseModels.load(models / "pose_vq.safetensors", models / "pose_base.safetensors")
    assert speakers == sorted(set(read_index(made.folder / HEADS / "clips").speaker))
    encoder = load_encoder(made.folder / "results/synthetic-smoke/speech_encoder")
    waveform = read_clip(made.folder / HEADS / "clips", "voice00_00").waveform
    poses = poses_of(np.tile(waveform, 2), 1, 0, models=loaded, encoder=encoder)
    assert poses.shape == (1, 400, 3) and np.isfinite(poses).all()


def test_a_variant_of_the_generator_is_a_row_and_reruns_nothing_else(made):
    jobs = made.jobs("headpose", *SMOKE, "scales={smoke: {headpose: {measures: {variants: [base, no_style]}}}}")
    assert jobs["train_pose_generator"] == jobs["sample_poses"] == jobs["measure_poses"] == 1
    assert not jobs.keys() & {"record_talks", "hear_talks", "train_pose_fid", "train_pose_vq", "rebuild_poses"}


def test_another_models_poses_are_a_row_and_rerun_nothing_else(made):
    poses = made.folder / HEADS / "poses"
    truth = read_arrays(poses / "ground_truth.npz")
    write_arrays(poses / "mine.npz", {name: 0.5 * pose for name, pose in truth.items()})
    jobs = made.jobs("headpose", *MINE)
    assert jobs["measure_poses"] == 1 and jobs.keys() <= {
        "measure_poses", "headpose_table", "plot_headpose", "publish_figure", "headpose", "total"
    }  # fmt: skip
    made("results/headpose.csv", *MINE)
    table = read_table(made.folder / "results/headpose.csv").set_index("method")
    assert table.loc["mine", "range"] == pytest.approx(0.5, abs=0.01)


def test_poses_that_are_not_finite_are_refused_by_file_clip_and_frame(made):
    path = made.folder / HEADS / "poses/mine.npz"
    poses = read_arrays(made.folder / HEADS / "poses/ground_truth.npz")
    clip = min(poses)
    poses[clip][0, 8] = np.nan
    write_arrays(path, poses)
    done = made(f"{HEADS}/measures/mine.json", *MINE, check=False)
    text = done.stdout + done.stderr
    assert done.returncode and f"poses/mine.npz: {clip} is not finite in sample 0, frame 8, counted from 0" in text


def test_recordings_of_people_are_cut_and_a_wrong_one_stops_before_any_training(workflow, tmp_path):
    people = tmp_path / "people"
    for number in range(7):
        write_recording(people, f"id{number % 3}/video/{number:05d}", 8.2 + 8 * (number == 2), number)
    own = ("--config", "dataset=synthetic", "scale=smoke", f"headpose={{clips: {{path: {people}}}}}")
    asked = workflow.jobs("headpose", *own)
    assert "record_talks" not in asked and asked["known_poses"] == 3  # people have no other takes
    workflow(f"{HEADS}/clips", *own)
    index = read_index(workflow.folder / HEADS / "clips")
    assert len(index) == 8 and len(names(index, "test")) >= 1
    assert set(index.groupby("source")["split"].nunique()) == {1}
    assert read_clip(workflow.folder / HEADS / "clips", "id2+video+00002+001").truth is None
    (people / "id1/video/00004.wav").unlink()
    done = workflow(f"{HEADS}/clips", "--forcerun", "cut_talks", *own, check=False)
    assert done.returncode and "00004.npz: its speech is missing; put 00004.wav" in done.stdout + done.stderr
    nowhere = (*own[:-1], "headpose={clips: {path: /nowhere/people}}")
    done = workflow("headpose", "-n", *nowhere, check=False)
    assert done.returncode and "headpose.clips.path: /nowhere/people holds no recording" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("headpose={fid: {epoch: 3}}", "headpose.fid.epoch: unknown key; did you mean 'epochs'?"),
        ("headpose={clips: {never: 2}}", "headpose.clips.never"),
        ("headpose={measures: {others: [oracle]}}", "headpose.measures.others"),
    ],
)
def test_wrong_keys_are_named(workflow, override, named):
    done = workflow("-n", "--config", override, check=False)
    assert done.returncode and named in done.stdout + done.stderr
