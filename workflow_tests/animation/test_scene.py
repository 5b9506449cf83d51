"""animation.glb: what it animates, what it leaves as it was, and what other readers make of it."""

import base64
import io
import json
import struct

import numpy as np
import pygltflib
import pytest
from animation.node import assert_valid
from PIL import Image

from said.animation.faces import face_of, load_face
from said.animation.scene import write_animation
from said.arkit import BLENDSHAPES, SPEECH_BLENDSHAPES
from said.files.gltf import Material, Piece, build_document
from said.files.gltf_document import Document, read_document
from said.files.gltf_morphs import add_targets, target_names
from said.files.gltf_scene import read_scene
from said.files.meshes import write_mesh


@pytest.fixture(scope="module")
def curves():
    """(90, 32) weights in [0, 1]."""
    return np.random.default_rng(0).random((90, 32))


def picture() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(file, "PNG")
    return file.getvalue()


def artists_head() -> Document:
    """Two meshes, one of two primitives with a picture; a camera, an animation, an extension, odd names and extras."""
    vertices = np.array([[-1, 0, 0], [1, 0, 0], [1, 1, 0], [-1, 1, 0.0]]) / 10
    normals = np.tile([0.0, 0.0, 1.0], (4, 1))
    upper = Piece(np.array([0, 1, 2]), np.array([[0, 1, 2]]), np.array([[0, 0], [1, 0], [1, 1.0]]), 0)
    lower = Piece(np.array([0, 2, 3]), np.array([[0, 1, 2]]), np.array([[0, 0], [1, 1], [0, 1.0]]), 1)
    document = build_document(
        "Kopf", vertices, normals, [upper, lower], [Material("Haut", picture=picture()), Material("Ä")]
    )
    names = ["blendShape.JawOpen", "mouth_smile_L", "smirk", "mouthSmileRight", "eyeBlink_R"]
    moves = np.zeros((5, 6, 3))
    moves[0, :, 1], moves[1, 0, 0], moves[2, 1, 2], moves[3, 2, 0], moves[4, 5, 1] = -0.01, 0.02, 0.03, 0.04, 0.05
    add_targets(document, read_scene(document), names, moves)
    tree = document.tree
    tree["meshes"][0]["weights"] = [0, 0, 0.25, 0, 0]
    tree["meshes"][0]["extras"]["artist"] = "Ünal"
    other = build_document("teeth", vertices / 2, normals, [Piece(np.arange(4), np.array([[0, 1, 2], [0, 2, 3]]))])
    add_targets(other, read_scene(other), ["jawOpen"], np.full((1, 4, 3), 0.01))
    offset, accessors = len(document.buffer), len(tree["accessors"])
    views = len(tree["bufferViews"])
    document.buffer += other.buffer
    for view in other.tree["bufferViews"]:
        tree["bufferViews"].append(view | {"byteOffset": view["byteOffset"] + offset})
    for accessor in other.tree["accessors"]:
        tree["accessors"].append(accessor | {"bufferView": accessor["bufferView"] + views})
    (primitive,) = other.tree["meshes"][0]["primitives"]
    primitive["attributes"] = {name: number + accessors for name, number in primitive["attributes"].items()}
    primitive["indices"] += accessors
    primitive["material"] = 1
    primitive["targets"] = [{"POSITION": primitive["targets"][0]["POSITION"] + accessors}]
    tree["meshes"] += other.tree["meshes"]
    tree["nodes"] += [
        {"name": "Zähne", "mesh": 1, "translation": [0, 0.02, 0], "rotation": [0, 0, 0.6, 0.8], "scale": [1, 2, 1]},
        {"name": "eye", "camera": 0},
    ]
    tree["cameras"] = [{"type": "perspective", "perspective": {"yfov": 0.7, "znear": 0.01}}]
    tree["scenes"][0]["nodes"] += [1, 2]
    tree["extensionsUsed"] = ["KHR_materials_unlit"]
    tree["materials"][1]["extensions"] = {"KHR_materials_unlit": {}}
    times, turns = document.add(np.array([0, 1], np.float32)), document.add(np.array([[0, 0, 0, 1]] * 2, np.float32))
    tree["animations"] = [
        {
            "name": "nod",
            "channels": [{"sampler": 0, "target": {"node": 1, "path": "rotation"}}],
            "samplers": [{"input": times, "output": turns}],
        }
    ]
    return document


def test_the_default_face_speaks_all_32_and_has_arkits_52(curves, tmp_path):
    face = load_face(None)
    assert face.names == BLENDSHAPES and face.missing == ()
    write_animation(tmp_path / "a.glb", face, curves, 60, sound="a.m4a")
    document = read_document(tmp_path / "a.glb")
    (animation,) = document.tree["animations"]
    assert animation["extras"] == {"sound": "a.m4a"}
    (channel,), (sampler,) = animation["channels"], animation["samplers"]
    assert channel["target"] == {"node": 0, "path": "weights"} and sampler["interpolation"] == "LINEAR"
    assert target_names(document.tree["meshes"][0]) == [*BLENDSHAPES]
    np.testing.assert_allclose(document.array(sampler["input"]), np.arange(90) / 60, atol=1e-7)
    weights = document.array(sampler["output"]).reshape(90, 52)
    np.testing.assert_allclose(weights[:, :32], curves, atol=1e-7)
    assert not weights[:, 32:].any()


def test_it_is_about_as_large_and_wide_as_a_head_and_speaks_as_one():
    face = load_face(None)
    assert 0.2 < np.ptp(face.neutral[:, 1]) < 0.3
    opened = np.zeros((1, 32))
    opened[0, SPEECH_BLENDSHAPES.index("jawOpen")] = 1
    moved = face.move(opened)[0] - face.neutral
    assert 0.02 < np.linalg.norm(moved, axis=1).max() < 0.06 and moved[:, 1].min() < -0.02


def test_the_package_s_faces_are_what_their_command_makes():
    from said.animation.faces import _ASSET
    from said.files.arrays import read_arrays
    from said.synthetic.default_face import default_face_arrays

    stored, made = read_arrays(_ASSET), default_face_arrays()
    assert stored.keys() == made.keys()
    for name, values in made.items():
        assert stored[name].dtype == values.dtype
        # steps of 2 um, and the last bit of float32: processors round differently
        np.testing.assert_allclose(stored[name].astype(float), values.astype(float), rtol=1e-6, atol=1.01, err_msg=name)
    np.testing.assert_allclose(stored["vertices"], made["vertices"], atol=1e-6)
    np.testing.assert_array_equal(stored["faces"], made["faces"])


def test_a_users_file_comes_back_with_all_else_untouched(curves, tmp_path):
    original = artists_head()
    original.write(tmp_path / "head.glb")
    face = load_face(tmp_path / "head.glb")
    assert face.names == ("jawOpen", "mouthSmileLeft", "mouthSmileRight", "eyeBlinkRight")
    write_animation(tmp_path / "a.glb", face, curves, 30)
    before, after = (read_document(tmp_path / name) for name in ("head.glb", "a.glb"))
    assert after.buffer.startswith(before.buffer)
    for key, value in before.tree.items():
        kept = after.tree[key]
        if key in ("accessors", "bufferViews", "animations"):
            assert kept[: len(value)] == value, key
        elif key != "buffers":
            assert kept == value, key
    assert set(after.tree) == set(before.tree)
    nod, speech = after.tree["animations"]
    assert [channel["target"] for channel in speech["channels"]] == [
        {"node": 0, "path": "weights"}, {"node": 1, "path": "weights"}]  # fmt: skip
    head, teeth = (after.array(sampler["output"]) for sampler in speech["samplers"])
    head = head.reshape(90, 5)
    np.testing.assert_allclose(head[:, 0], curves[:, SPEECH_BLENDSHAPES.index("jawOpen")], atol=1e-7)
    np.testing.assert_allclose(head[:, 1], curves[:, SPEECH_BLENDSHAPES.index("mouthSmileLeft")], atol=1e-7)
    assert (head[:, 2] == 0.25).all() and not head[:, 4].any()
    np.testing.assert_allclose(teeth, curves[:, SPEECH_BLENDSHAPES.index("jawOpen")], atol=1e-7)


def test_displacements_are_those_of_the_scene(tmp_path):
    face = face_of("x", artists_head(), "x.glb")
    jaw = face.displacements[face.names.index("jawOpen")]
    np.testing.assert_allclose(jaw[:6], np.tile([0, -0.01, 0], (6, 1)), atol=1e-8)
    turn = np.array([[0.28, -0.96, 0], [0.96, 0.28, 0], [0, 0, 1]])
    np.testing.assert_allclose(jaw[6:], np.tile(turn @ (0.01 * np.array([1, 2, 1])), (4, 1)), atol=1e-8)
    assert len(face.missing) == 29 and "jawLeft" in face.notes[0]


def test_the_khronos_validator_finds_nothing(curves, tmp_path):
    """In five faces, each saying two recordings; the fifth is in test_heads.py, one that got its blendshapes here."""
    artists_head().write(tmp_path / "head.glb")
    default = load_face(None)
    write_animation(tmp_path / "spoken.glb", default, curves[:2], 24)
    (tmp_path / "objs").mkdir()
    write_mesh(tmp_path / "objs/Neutral.obj", default.neutral, default.faces)
    write_mesh(tmp_path / "objs/jawOpen.obj", default.neutral + default.displacements[17], default.faces)
    paths = []
    for face in (default, *(load_face(tmp_path / name) for name in ("head.glb", "spoken.glb", "objs"))):
        for number, clip in enumerate((curves, curves[:1])):
            paths.append(tmp_path / f"{face.name}{number}.glb")
            write_animation(paths[-1], face, clip, 60, sound="ä b.m4a")
    assert len(paths) == 8
    assert_valid(tmp_path / "head.glb", *paths)


def test_pygltflib_reads_the_same_curves(curves, tmp_path):
    write_animation(tmp_path / "a.glb", load_face(None), curves, 60)
    gltf = pygltflib.GLTF2().load(tmp_path / "a.glb")
    mesh, (animation,) = gltf.meshes[0], gltf.animations
    assert mesh.extras["targetNames"] == [*BLENDSHAPES] and len(mesh.primitives[0].targets) == 52
    accessor = gltf.accessors[animation.samplers[0].output]
    view = gltf.bufferViews[accessor.bufferView]
    begin = view.byteOffset + (accessor.byteOffset or 0)
    values = np.frombuffer(gltf.binary_blob()[begin : begin + view.byteLength], "<f4").reshape(90, 52)
    np.testing.assert_allclose(values[:, :32], curves, atol=1e-7)


@pytest.mark.parametrize(
    ("coefficients", "fps", "reason"),
    [
        (np.zeros((0, 32)), 60, "N at least 1"),
        (np.zeros((5, 31)), 60, "must be"),
        (np.full((5, 32), np.nan), 60, "frame 0"),
        (np.zeros((5, 32)), 0, "positive"),
    ],
)
def test_curves_that_are_none_are_refused(coefficients, fps, reason, tmp_path):
    with pytest.raises(ValueError, match=reason):
        write_animation(tmp_path / "a.glb", load_face(None), coefficients, fps)


def test_the_same_face_and_curves_give_the_same_bytes(curves, tmp_path):
    for name in ("a", "b"):
        write_animation(tmp_path / f"{name}.glb", load_face(None), curves, 60)
    assert (tmp_path / "a.glb").read_bytes() == (tmp_path / "b.glb").read_bytes()


def test_a_file_that_is_no_glb_is_named(tmp_path):
    good = artists_head().content()
    draco = artists_head()
    draco.tree["extensionsRequired"] = ["KHR_draco_mesh_compression"]
    beside = artists_head()
    beside.tree["images"][0] = {"uri": "skin.png"}
    still = artists_head()
    for mesh in still.tree["meshes"]:
        mesh["extras"]["targetNames"] = [f"shape{number}" for number in range(5)]
    cases = {
        "text.glb": (b"hello", "export it as GLB"),
        "short.glb": (good[:200], "of its"),
        "old.glb": (good[:4] + struct.pack("<I", 1) + good[8:], "glTF 1"),
        "draco.glb": (draco.content(), "without compression"),
        "beside.glb": (beside.content(), "skin.png"),
        "still.glb": (still.content(), "landmarks"),
    }
    for name, (content, reason) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=reason) as raised:
            load_face(tmp_path / name)
        assert name in str(raised.value)


@pytest.mark.parametrize("suffix", [".fbx", ".blend", ".gltf", ".stl", ".png"])
def test_other_formats_are_to_be_exported(suffix, tmp_path):
    (tmp_path / f"head{suffix}").write_bytes(b"x")
    with pytest.raises(ValueError, match="export as GLB or OBJ"):
        load_face(tmp_path / f"head{suffix}")


def test_a_buffer_within_the_text_is_read_and_kept(curves, tmp_path):
    document = artists_head()
    tree = json.loads(json.dumps(document.tree))
    data = base64.b64encode(bytes(document.buffer)).decode()
    tree["buffers"] = [{"byteLength": len(document.buffer), "uri": f"data:application/octet-stream;base64,{data}"}]
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    chunk = struct.pack("<II", len(text), 0x4E4F534A) + text
    (tmp_path / "head.glb").write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunk)) + chunk)
    face = load_face(tmp_path / "head.glb")
    np.testing.assert_allclose(face.displacements, face_of("x", document, "x").displacements)
    write_animation(tmp_path / "a.glb", face, curves, 60)
    assert_valid(tmp_path / "a.glb")


def test_a_folder_of_objs_is_a_face_in_any_unit(tmp_path):
    face = load_face(None)
    for unit, scale in (("metres", 1), ("centimetres", 100), ("millimetres", 1000)):
        folder = tmp_path / unit
        folder.mkdir()
        write_mesh(folder / "Neutral.obj", face.neutral * scale, face.faces)
        for name in ("jawOpen", "mouth_Smile_L"):
            move = face.displacements[face.names.index({"mouth_Smile_L": "mouthSmileLeft"}.get(name, name))]
            write_mesh(folder / f"{name}.obj", (face.neutral + move) * scale, face.faces)
        read = load_face(folder)
        assert read.names == ("jawOpen", "mouthSmileLeft")
        np.testing.assert_allclose(read.neutral, face.neutral, atol=1e-6)
        np.testing.assert_allclose(read.displacements[0], face.displacements[face.names.index("jawOpen")], atol=2e-6)
    (folder / "jawOpen.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    with pytest.raises(ValueError, match="jawOpen.obj"):
        load_face(folder)
