"""Heads that move: the same turn in glTF, in films, in columns of angles and on the page."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
from animation.browser import chromium
from animation.node import assert_valid
from headpose.toy_poses import toy_generator, toy_vq
from helpers import babble, contents, small_encoder
from scipy.spatial.transform import Rotation

from said.animation.faces import load_face
from said.animation.head_motion import ANGLES, euler, pivot, quaternions
from said.animation.livelink import CSV_VALUES, PACKET_VALUES, arranged
from said.animation.scene import write_animation
from said.animation.viewer import Animation, write_page
from said.commands import main
from said.files.gltf_document import read_document
from said.files.gltf_scene import place_nodes
from said.files.gltf_turns import animate_head, find_head
from said.files.tables import read_columns
from said.headpose.film import turn
from said.headpose.generator import save as save_generator
from said.headpose.pose_vq import save as save_vq


@pytest.fixture(scope="module")
def turns():
    """(40, 3) rotation vectors in radians of a head that looks about."""
    time = np.linspace(0, 2 * np.pi, 40)
    return 0.3 * np.stack([np.sin(time), np.cos(2 * time), 0.5 * np.sin(3 * time)], axis=1)


def posed(document, frame):
    """The matrices of all nodes while the animation `speech` shows one of its frames."""
    tree = document.copy().tree
    (animation,) = [one for one in tree["animations"] if one["name"] == "speech"]
    for channel in animation["channels"]:
        path = channel["target"]["path"]
        if path == "rotation":
            values = document.array(animation["samplers"][channel["sampler"]]["output"])
            tree["nodes"][channel["target"]["node"]][path] = values[frame].tolist()
    return place_nodes(tree)


def test_a_face_without_a_skeleton_turns_about_its_neck(turns, tmp_path):
    face, curves = load_face(None), np.random.default_rng(0).random((40, 32))
    assert write_animation(tmp_path / "a.glb", face, curves, 60, head=turns) is None
    assert_valid(tmp_path / "a.glb")
    document = read_document(tmp_path / "a.glb")
    moved = turn(np.repeat(face.neutral[None], 40, axis=0), turns, pivot(face))
    (mesh,) = [number for number, node in enumerate(document.tree["nodes"]) if "mesh" in node]
    for frame in (0, 7, 39):
        place = posed(document, frame)[mesh]
        np.testing.assert_allclose(face.neutral @ place[:3, :3].T + place[:3, 3], moved[frame], atol=1e-6)
    # Where the skull meets the neck: behind the mouth, between the ears.
    centre = pivot(face)
    assert abs(centre[0]) < 1e-3 and face.neutral[:, 2].min() < centre[2] < 0 and -0.08 < centre[1] < 0
    write_animation(tmp_path / "still.glb", face, curves, 60)
    still = read_document(tmp_path / "still.glb")
    assert document.buffer.startswith(still.buffer) and len(still.tree["animations"][0]["channels"]) == 1


def test_the_joint_of_a_rig_turns_as_the_head_should(turns):
    """Its parents are turned and scaled, and it has a rotation of its own: in the scene it turns by what was asked."""
    document = load_face(None).document.copy()
    tilt = Rotation.from_euler("xyz", [0.4, -0.2, 1.1])
    mesh = len(document.tree["nodes"]) - 1
    rest = Rotation.from_rotvec([0.1, 0.2, -0.3]).as_quat().tolist()
    document.tree["nodes"] += [
        {"name": "hips", "rotation": tilt.as_quat().tolist(), "scale": [2, 2, 2], "children": [mesh + 2]},
        {"name": "mixamorig:Head", "rotation": rest, "children": [mesh + 3]},
        {"name": "HeadTop_End"},
    ]
    document.tree["scenes"][0]["nodes"].append(mesh + 1)
    document.tree["skins"] = [{"joints": [mesh + 2]}]
    before = place_nodes(document.tree)[mesh + 2][:3, :3]
    assert animate_head(document, turns, 60, np.zeros(3), 0.3, "speech") == "mixamorig:Head"
    for frame in (0, 13):
        expected = Rotation.from_rotvec(turns[frame]).as_matrix() @ before
        np.testing.assert_allclose(posed(document, frame)[mesh + 2][:3, :3], expected, atol=1e-6)


@pytest.mark.parametrize(
    "name, place, found",
    [("Head", 0.0, True), ("CC_Base_Head", 0.0, True), ("head.x", 0.0, True), ("J_Bip_C_Head", 0.1, True),
     ("Head", 1.7, False), ("forehead", 0.0, False), ("HeadTop_End", 0.0, False), ("headset", 0.0, False)],
)  # fmt: skip
def test_what_is_a_head(name, place, found):
    """A mesh that is called head, with its origin between the feet, is none to turn about."""
    tree = {"nodes": [{"name": name, "mesh": 0, "translation": [0, place, 0]}], "scenes": [{"nodes": [0]}]}
    assert (find_head(tree, np.zeros(3), 0.3) == 0) is found


def test_angles_have_the_signs_that_rigs_expect():
    """Down, to the subject's left, onto the left shoulder."""
    one = np.eye(3) * 0.2
    np.testing.assert_allclose(euler(one), [[0.2, 0, 0], [0, 0.2, 0], [0, 0, -0.2]], atol=1e-12)
    many = np.random.default_rng(0).normal(0, 0.4, (50, 3))
    back = Rotation.from_quat(quaternions(euler(many)))
    assert (back.inv() * Rotation.from_rotvec(many)).magnitude().max() < 1e-9
    for order in (CSV_VALUES, PACKET_VALUES):
        values = arranged(np.zeros((50, 32)), order, euler(many))
        for column, axis in enumerate(("HeadPitch", "HeadYaw", "HeadRoll")):
            np.testing.assert_allclose(values[:, order.index(axis)], euler(many)[:, column], atol=1e-6)
        assert np.count_nonzero(values) == 150


@pytest.fixture(scope="module")
def head_folder(tmp_path_factory):
    """Models of head poses with their speech encoder, as `--head-pose` takes them."""
    folder = tmp_path_factory.mktemp("heads")
    save_vq(folder / "pose_vq.safetensors", toy_vq())
    save_generator(folder / "pose_base.safetensors", toy_generator(hearing=32), ["anna", "ben", "cleo"])
    small_encoder().save_pretrained(folder / "speech_encoder")
    return folder


def test_every_file_has_the_same_head(head_folder, model_folder, tmp_path, capsys):
    soundfile.write(tmp_path / "hello.wav", babble(2.0), 16000)
    command = ["animate", str(tmp_path / "hello.wav"), "--model", str(model_folder), "--steps", "2", "--takes", "2"]
    moving = [*command, "--head-pose", str(head_folder)]
    assert main([*command, "--out", str(tmp_path / "still")]) == 0
    assert main([*moving, "--out", str(tmp_path / "a")]) == main([*moving, "--out", str(tmp_path / "b")]) == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    made, still = tmp_path / "a" / "hello", tmp_path / "still" / "hello"
    for name in ("coefficients.csv", "curves.json", "sound.wav"):
        assert (made / name).read_bytes() == (still / name).read_bytes()
    first, second = (read_columns(made / take / "head.csv", ANGLES) for take in (".", "take2"))
    angles = np.stack([first[name] for name in ANGLES], axis=1)
    assert angles.shape == (120, 3) and 0 < np.abs(angles).max() < np.pi
    assert not np.array_equal(first["headYaw"], second["headYaw"])
    live = pd.read_csv(made / "livelink.csv")
    np.testing.assert_allclose(live[["HeadPitch", "HeadYaw", "HeadRoll"]], angles, atol=1e-6)
    assert not pd.read_csv(still / "livelink.csv")[["HeadPitch", "HeadYaw", "HeadRoll"]].to_numpy().any()
    document = read_document(made / "animation.glb")
    (number,) = [n for n, node in enumerate(document.tree["nodes"]) if node["name"] == "head"]
    turned = Rotation.from_matrix(posed(document, 60)[number][:3, :3])
    assert (turned.inv() * Rotation.from_quat(quaternions(angles[60:61])[0])).magnitude() < 1e-5
    report = json.loads((made / "report.json").read_text())
    assert report["head"] == head_folder.name and "HeadYaw" in report["predicted"] and "HeadYaw" not in report["zero"]

    assert main([*moving, "--head-style", "bent", "--out", str(tmp_path / "c")]) == 1
    assert "'bent' is none of anna, ben, cleo; did you mean 'ben'?" in capsys.readouterr().err
    assert main([*command, "--head-pose", str(model_folder), "--out", str(tmp_path / "c")]) == 1
    assert "pose_vq.safetensors is not there; name demo" in capsys.readouterr().err
    assert main([*command, "--head-style", "ben", "--out", str(tmp_path / "c")]) == 1
    assert "name them by --head-pose" in capsys.readouterr().err


def test_the_page_turns_the_head(turns, tmp_path):
    face = load_face(None)
    clip = Animation("a", np.zeros((40, 32)), 60, face, head=euler(turns))
    path = write_page(tmp_path, [clip])
    with chromium(tmp_path / "profile") as browser:
        browser.open(path)
        assert browser.run("return said.ready") is True
        for frame in (0, 11, 39):
            found = browser.run("said.seek(arguments[0]); return said.turned()", frame / 60)
            expected = Rotation.from_rotvec(turns[frame])
            assert (Rotation.from_quat(found["rotation"]).inv() * expected).magnitude() < 1e-5
            centre = pivot(face)
            np.testing.assert_allclose(found["position"], centre - expected.apply(centre), atol=1e-6)
