"""Blendshapes for a head, from the source face to files: clean-up, correspondence, transfer and export together."""

import numpy as np
import pandas as pd
import pytest
import trimesh
from conftest import SMOKE
from scipy.sparse.linalg import splu
from scipy.spatial.transform import Rotation

from said import deformation
from said.arkit import SPEECH_BLENDSHAPES
from said.cleanup import crop, find_regions, reattach
from said.deformation import find_correspondence, transfer
from said.figures import blendshapes as figure
from said.files.arrays import read_arrays
from said.files.gltf_document import read_document
from said.synthetic.identities import make_face, sample_identities
from said.synthetic.source import source_face
from said.transfer_report import health, truth_error


@pytest.fixture(scope="module")
def source():
    return source_face()


@pytest.fixture(scope="module")
def speaker(head):
    return make_face(head, sample_identities(1, 3)[0])


def blendshapes(source, head, template, source_unit=1.0):
    """(32, V, 3) heads of a template with the topology of `head`, and the regions they were made with."""
    neutral = trimesh.Trimesh(source_unit * source.neutral, source.faces, process=False)
    mesh = trimesh.Trimesh(template, head.faces, process=False)
    regions = find_regions(mesh, head.landmarks)
    face, new_index = crop(mesh, regions.face)
    pairs = find_correspondence(neutral, face, source.landmarks, new_index[head.landmarks])
    moved = transfer(neutral, source_unit * source.expressions[: len(SPEECH_BLENDSHAPES)], face, pairs)
    return reattach(mesh, regions, moved), regions


@pytest.fixture(scope="module")
def made(source, head, speaker):
    return blendshapes(source, head, speaker.template)


@pytest.mark.parametrize(("source_unit", "unit"), [(1e3, 1e3), (1.0, 1e3), (100.0, 1.0)])
def test_units_do_not_matter(source, head, speaker, made, source_unit, unit):
    again, regions = blendshapes(source, head, unit * speaker.template, source_unit)
    assert all(np.array_equal(part, getattr(made[1], name)) for name, part in vars(regions).items())
    assert np.abs(again / unit - made[0]).max() <= 1e-6 * np.ptp(made[0])


def test_a_moved_and_scaled_head_gets_moved_and_scaled_blendshapes(source, head, speaker, made):
    turn, scale, shift = Rotation.random(random_state=5).as_matrix(), 1.7, np.array([0.3, -2.0, 1.0])
    again, _ = blendshapes(source, head, scale * speaker.template @ turn.T + shift)
    assert np.abs(again - (scale * made[0] @ turn.T + shift)).max() <= 1e-6


def test_known_expressions_come_out(speaker, made):
    """The speaker's own expressions are known: what the transfer makes of another face's is near them."""
    shapes, regions = made
    error = truth_error(speaker.template[regions.head], shapes, speaker.blendshapes[:, regions.head])
    assert (error["share"] < 0.3).all() and error["share"].mean() < 0.15
    assert error["rms_mm"].mean() < 0.3 and error["rms_mm"].max() < 1


def test_one_factorisation_serves_all_expressions(source, monkeypatch):
    factorisations = []

    def counted(*args, **options):
        factorisations.append(1)
        return splu(*args, **options)

    monkeypatch.setattr(deformation, "splu", counted)
    mesh = trimesh.Trimesh(source.neutral, source.faces, process=False)
    own = np.repeat(np.arange(len(source.faces))[:, None], 2, axis=1)
    assert np.abs(transfer(mesh, source.expressions, mesh, own) - source.expressions).max() <= 1e-6
    assert len(factorisations) == 1


def test_a_source_in_another_pose_and_size_is_itself(source):
    """No averaging over neighbours where triangles correspond one to one."""
    mesh = trimesh.Trimesh(source.neutral, source.faces, process=False)
    turn = Rotation.random(random_state=1).as_matrix()
    turned = trimesh.Trimesh(3 * source.neutral @ turn.T, source.faces, process=False)
    pairs = find_correspondence(mesh, turned, source.landmarks, source.landmarks)
    assert np.abs(transfer(mesh, source.expressions, turned, pairs) - 3 * source.expressions @ turn.T).max() <= 1e-6


# ------------------------------------------------------------------------------------------ reports


def test_health_counts_what_is_wrong():
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    shapes = np.tile(square, (32, 1, 1))
    shapes[3, 3] = [0.9, 0, 0]  # over the diagonal: the second triangle turns over
    shapes[5, 1, 2] = 0.002
    report = health(square, shapes, faces, chin=1).set_index("blendshape")
    assert report.loc["jawOpen", ["flipped", "flipped_share", "chin_mm"]].tolist() == [1, 0.5, 0]
    assert report.loc["mouthFunnel", "flipped"] == 0 and np.isclose(report.loc["mouthFunnel", "chin_mm"], 2)
    assert np.isclose(report.loc["mouthFunnel", "largest_mm"], 2) and report["flipped"].sum() == 1


def test_truth_error_is_the_distance_to_the_truth():
    template, truth = np.zeros((4, 3)), np.zeros((32, 4, 3))
    truth[:, :, 1] = 0.010
    shapes = truth.copy()
    shapes[7, 2, 0] = 0.004
    report = truth_error(template, shapes, truth)
    assert np.allclose(report.loc[7, ["rms_mm", "max_mm", "motion_rms_mm", "share"]].tolist(), [2, 4, 10, 0.2])
    assert report["max_mm"].drop(7).eq(0).all()
    with pytest.raises(ValueError, match="jawForward does not move"):
        truth_error(template, truth, np.zeros((32, 4, 3)))
    with pytest.raises(ValueError, match="expected"):
        truth_error(template, truth[:5], truth)


def test_figure_shows_motion_on_both_faces(source, head, speaker, made):
    shapes, regions = made
    neutral = trimesh.Trimesh(source.neutral, source.faces, process=False)
    part, _ = crop(trimesh.Trimesh(speaker.template, head.faces, process=False), regions.head)
    sheet = figure.blendshapes(neutral, source.expressions[:32], part, shapes).astype(int)
    wide, high = sheet.shape[1] // 12, sheet.shape[0] // 6

    def red(row, column):
        cell = sheet[row * high : (row + 1) * high, column * wide : (column + 1) * wide]
        return (cell[..., 0] > cell[..., 1] + 60).mean()

    assert red(0, 0) == red(0, 1) == 0  # neutral
    jaw_source, jaw_head = red(0, 8), red(0, 9)
    assert jaw_source > 0.05 and 0.7 < jaw_head / jaw_source < 1.4


# ------------------------------------------------------------------------------------------ export


def assert_glb_holds(path, template, faces, shapes):
    document = read_document(path)
    values = document.array
    (mesh,) = document.tree["meshes"]
    (primitive,) = mesh["primitives"]
    assert mesh["extras"]["targetNames"] == list(SPEECH_BLENDSHAPES)
    assert mesh["weights"] == [0] * 32 and len(primitive["targets"]) == 32
    rest, normals = (values(primitive["attributes"][name]) for name in ("POSITION", "NORMAL"))
    assert np.abs(rest - template).max() <= 1e-6
    for target, shape in zip(primitive["targets"], shapes, strict=True):
        assert np.abs(rest + values(target["POSITION"]) - shape).max() <= 1e-6
        lengths = np.linalg.norm(normals + values(target["NORMAL"]), axis=1)
        assert np.abs(lengths - 1).max() < 1e-5
    assert np.array_equal(trimesh.load(path, process=False, force="mesh").faces, faces)


def test_run_reports_and_exports_its_blendshapes(edited):
    run = "results/synthetic-smoke/blendshapes"
    edited(f"{run}/health.csv", f"{run}/truth.csv", f"{run}/obj/speaker11", *SMOKE)
    folder = edited.folder / run
    speakers = ["speaker01", "speaker02", "speaker09", "speaker11"]
    speaker = read_arrays(folder / "speaker11.npz")
    neutral, names = speaker["template"], ("neutral", *SPEECH_BLENDSHAPES)

    sound = pd.read_csv(folder / "health.csv")
    assert list(dict.fromkeys(sound["speaker"])) == ["source", *speakers] and len(sound) == 5 * 32
    assert sound["flipped_share"].max() < 0.05
    truth = pd.read_csv(folder / "truth.csv")
    assert list(dict.fromkeys(truth["speaker"])) == speakers and truth["share"].mean() < 0.15

    files = folder / "obj" / "speaker11"
    assert {path.name for path in files.glob("*.obj")} == {f"{name}.obj" for name in names}
    for name, vertices in zip(names, (neutral, *speaker["blendshapes"]), strict=True):
        mesh = trimesh.load(files / f"{name}.obj", process=False)
        assert np.abs(mesh.vertices - vertices).max() <= 1e-6 and np.array_equal(mesh.faces, speaker["faces"])
    lines = (files / "jawOpen.obj").read_text().splitlines()
    corners = [int(corner.split("/")[0]) for line in lines if line.startswith("f ") for corner in line.split()[1:]]
    assert min(corners) == 1 and max(corners) == len(neutral)
    assert_glb_holds(folder / "glb" / "speaker11.glb", neutral, speaker["faces"], speaker["blendshapes"])
