"""Heads that came as GLB, as exporters store them: shared vertices, instances, weights at rest; and damaged ones."""

import json
import struct

import numpy as np
import pytest
import trimesh
from animation.node import assert_valid

from said.animation import parts
from said.animation.export import as_obj
from said.animation.faces import find_face, load_face
from said.animation.heads import head_of
from said.animation.scene import write_animation
from said.animation.surfaces import read_head
from said.files.gltf import Material, Piece, build_document, smooth_normals
from said.files.gltf_document import Document, read_document
from said.files.gltf_morphs import add_targets, read_target
from said.files.gltf_scene import read_scene, scene_colours

SQUARE = np.array([[0, 1, 2], [0, 2, 3]])


@pytest.fixture(scope="module")
def pieces(head):
    """Name, vertices and triangles of skin, eyes, teeth and tongue, each numbered from 0."""
    marks = head.vertices[head.landmarks]
    lips, width = marks[60:68].mean(axis=0), np.ptp(marks[[48, 54], 0])
    found = []
    eyeball = head.regions == "eyeball"
    for name, own in (
        ("skin", ~eyeball),
        ("EyeL", eyeball & (head.vertices[:, 0] > 0)),
        ("EyeR", eyeball & (head.vertices[:, 0] < 0)),
    ):
        used, places = np.unique(head.faces[own[head.faces].all(axis=1)], return_inverse=True)
        found.append((name, head.vertices[used], places.reshape(-1, 3)))
    for name, centre, size in (
        ("upper_teeth", [0, 0.006, -0.022], (0.8 * width, 0.008, 0.01)),
        ("lower_teeth", [0, -0.006, -0.022], (0.8 * width, 0.008, 0.01)),
        ("tongue", [0, -0.003, -0.045], (0.5 * width, 0.008, 0.04)),
    ):
        mesh = trimesh.creation.box(size)
        found.append((name, np.asarray(mesh.vertices) + lips + centre, np.asarray(mesh.faces)))
    return found


def sharing(pieces, **more) -> Document:
    """One mesh of a primitive and a material for each piece, all on the same accessors, as UniVRM writes them."""
    vertices = np.concatenate([vertices for _, vertices, _ in pieces])
    begins = np.cumsum([0, *(len(vertices) for _, vertices, _ in pieces)])
    triangles = [faces + begin for (_, _, faces), begin in zip(pieces, begins, strict=False)]
    materials = [Material(name, **more.get(name, {})) for name, _, _ in pieces]
    stored = [Piece(np.arange(len(vertices)), faces, None, place) for place, faces in enumerate(triangles)]
    document = build_document("Face", vertices, smooth_normals(vertices, np.concatenate(triangles)), stored, materials)
    primitives = document.tree["meshes"][0]["primitives"]
    for primitive in primitives:
        primitive["attributes"] = primitives[0]["attributes"]
    return document


def test_parts_that_share_their_vertices_are_told_apart_by_their_triangles(head, pieces, tmp_path):
    sharing(pieces).write(tmp_path / "head.glb")
    made = head_of(tmp_path / "head.glb", head.vertices[head.landmarks])
    words = [parts.SKIN, parts.EYEBALL, parts.EYEBALL, parts.UPPER, parts.LOWER, parts.LOWER]
    expected = np.repeat(words, [len(vertices) for _, vertices, _ in pieces])
    np.testing.assert_array_equal(made.parts, expected)
    assert not made.displacements[:, np.isin(expected, (parts.EYEBALL, parts.UPPER))].any()


def test_colours_and_groups_of_shared_vertices_are_those_of_their_primitives(tmp_path):
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]])
    red, blue = {"colour": (1.0, 0.0, 0.0)}, {"colour": (0.0, 0.0, 1.0)}
    document = sharing([("a", square, SQUARE), ("b", square + [0, 0, 1], SQUARE)], a=red, b=blue)
    first, second = document.tree["meshes"][0]["primitives"]
    coordinates = document.add(np.arange(16, dtype=np.float32).reshape(8, 2))
    second["attributes"] = second["attributes"] | {"TEXCOORD_0": coordinates}
    document.write(tmp_path / "two.glb")
    file = read_head(tmp_path / "two.glb")
    np.testing.assert_array_equal(file.part_labels(np.arange(8), 8), ["Face Face a"] * 4 + ["Face Face b"] * 4)
    assert file.document is not None and file.scene is not None
    colours = scene_colours(file.document, file.scene)
    np.testing.assert_allclose(colours, [[1, 0, 0]] * 4 + [[0, 0, 1]] * 4, atol=1e-7)
    lines = as_obj(file).decode().splitlines()
    assert lines[16:] == ["g face_face_a", "f 1 2 3", "f 1 3 4", "g face_face_b", "f 5/5 6/6 7/7", "f 5/5 7/7 8/8"]
    np.testing.assert_allclose([float(lines[12].split()[1]), float(lines[12].split()[2])], [8, 1 - 9])


def half(nodes) -> Document:
    """A square to one side of x = 0 as a mesh that several nodes show."""
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]])
    document = build_document("half", square, np.tile([0, 0, 1.0], (4, 1)), [Piece(np.arange(4), SQUARE)])
    document.tree["nodes"] = [{"name": f"n{number}", "mesh": 0} | node for number, node in enumerate(nodes)]
    document.tree["scenes"][0]["nodes"] = list(range(len(nodes)))
    return document


def test_nodes_that_show_one_mesh_get_targets_of_their_own_where_they_move_differently(tmp_path):
    document = half([{}, {"scale": [-1, 1, 1]}, {"translation": [0, 0, 1]}, {"translation": [0, 0, 2]}])
    document.tree["meshes"][0]["extras"] = {"artist": "Ünal"}
    left, up = np.tile([0.1, 0, 0], (16, 1)), np.tile([0, 0.1, 0], (16, 1))
    left[12:] = up[12:] = 0
    moves = np.stack([left, up])
    scene = read_scene(document)
    add_targets(document, scene, ["jawLeft", "jawOpen"], moves, np.zeros_like(moves))
    document.write(tmp_path / "half.glb")
    assert_valid(tmp_path / "half.glb")
    face = load_face(tmp_path / "half.glb")
    np.testing.assert_allclose(face.displacements[face.names.index("jawLeft")], left, atol=1e-7)
    np.testing.assert_allclose(face.displacements[face.names.index("jawOpen")], up, atol=1e-7)
    np.testing.assert_array_equal(face.neutral, scene.vertices)
    # The mirrored one has a mesh of its own, those that move alike share one, and what stands still has no targets.
    meshes = document.tree["meshes"]
    first, mirrored, third, still = (meshes[node["mesh"]] for node in document.tree["nodes"])
    assert first is third and len(meshes) == 3 and "targets" not in still["primitives"][0]
    for mesh in (mirrored, still):
        assert mesh["primitives"][0]["attributes"] == first["primitives"][0]["attributes"]
        assert mesh["extras"]["artist"] == "Ünal"


def test_weights_at_rest_are_part_of_the_neutral(tmp_path):
    document = half([{}, {"scale": [2, 2, 2]}])
    square = read_scene(document).vertices[:4]
    wide, tall = np.zeros((2, 8, 3))
    wide[:4] = wide[4:] = 3 * np.array([[0, 0, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0.0]])
    tall[:4] = tall[4:] = [0, 1, 0]
    wide[4:], tall[4:] = 2 * wide[4:], 2 * tall[4:]
    add_targets(document, read_scene(document), ["wide", "tall"], np.stack([wide, tall]))
    document.tree["meshes"][0]["weights"] = [0.5, 0.25]
    document.tree["nodes"][1]["weights"] = [1.0, 0.0]  # before those of its mesh
    scene = read_scene(document)
    rest = np.concatenate([square + 0.5 * wide[:4] + 0.25 * tall[:4], 2 * square + wide[4:]])
    np.testing.assert_allclose(scene.vertices, rest, atol=1e-6)
    # What it gets moves it from there, and its own weights stay.
    move = np.random.default_rng(0).normal(size=(1, 8, 3))
    add_targets(document, scene, ["jawOpen"], move)
    document.write(tmp_path / "rest.glb")
    face = load_face(tmp_path / "rest.glb")
    np.testing.assert_allclose(face.neutral, rest, atol=1e-6)
    np.testing.assert_allclose(face.displacements, move, atol=1e-6)
    write_animation(tmp_path / "a.glb", face, np.linspace(0, 1, 96).reshape(3, 32), 60)
    spoken = read_document(tmp_path / "a.glb")
    curves = [spoken.array(sampler["output"]).reshape(3, 3) for sampler in spoken.tree["animations"][0]["samplers"]]
    np.testing.assert_allclose([curve[:, :2] for curve in curves], [[[0.5, 0.25]] * 3, [[1, 0]] * 3])


@pytest.mark.parametrize("interpolation", ["LINEAR", "CUBICSPLINE"])
def test_what_a_mesh_has_beside_its_triangles_and_targets_stays_valid(interpolation, tmp_path):
    """Points and lines have as many targets as triangles, and older animations as many weights."""
    document = half([{}, {"translation": [0, 0, 2]}])
    add_targets(document, read_scene(document), ["wide", "tall"], np.ones((2, 8, 3)))
    tree = document.tree
    mesh = tree["meshes"][0]
    mesh["primitives"].append(mesh["primitives"][0] | {"mode": 0})
    del mesh["primitives"][1]["indices"], mesh["weights"]
    keys = 3 * (3 if interpolation == "CUBICSPLINE" else 1)
    own = np.random.default_rng(0).random((keys, 2), dtype=np.float32)
    sampler = {"input": document.add(np.arange(3, dtype=np.float32)), "interpolation": interpolation}
    channels = [{"sampler": 0, "target": {"node": node, "path": "weights"}} for node in (0, 1)]
    tree["animations"] = [{"samplers": [sampler | {"output": document.add(own.reshape(-1))}], "channels": channels}]
    document.write(tmp_path / "before.glb")
    assert_valid(tmp_path / "before.glb")
    add_targets(document, read_scene(document), ["jawOpen", "jawLeft", "jawRight"], np.ones((3, 8, 3)))
    document.write(tmp_path / "after.glb")
    assert_valid(tmp_path / "after.glb")
    after = read_document(tmp_path / "after.glb")
    values = after.array(after.tree["animations"][0]["samplers"][0]["output"]).reshape(keys, 5)
    np.testing.assert_array_equal(values, np.hstack([own, np.zeros((keys, 3))]))
    assert [len(primitive["targets"]) for primitive in after.tree["meshes"][0]["primitives"]] == [5, 5]


def test_a_weight_at_rest_of_what_speech_moves_is_not_part_of_the_neutral(tmp_path):
    document = half([{}])
    moves = np.zeros((3, 4, 3))
    moves[0, :, 1], moves[1, :, 2], moves[2, 0, 0] = -1, 1, 1
    add_targets(document, read_scene(document), ["jawOpen", "eyeBlinkLeft", "smirk"], moves)
    plain = read_scene(document).vertices
    document.tree["meshes"][0]["weights"] = [0.5, 0.5, 0.5]  # speech sets the first of them alone
    document.write(tmp_path / "face.glb")
    neutral = load_face(tmp_path / "face.glb").neutral
    np.testing.assert_allclose(neutral, plain + 0.5 * (moves[1] + moves[2]), atol=1e-7)


def test_a_vertex_without_weights_goes_with_its_first_joint():
    document = half([{"skin": 0, "translation": [5, 5, 5]}])
    square = read_scene(half([{}])).vertices
    tree = document.tree
    tree["nodes"] += [{"name": "a", "translation": [0, 0, 1]}, {"name": "b", "translation": [0, 2, 0]}]
    tree["scenes"][0]["nodes"] += [1, 2]
    tree["skins"] = [{"joints": [1, 2]}]
    weights = np.array([[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], np.float32)
    joints = np.array([[0, 1, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0]], np.uint8)
    tree["meshes"][0]["primitives"][0]["attributes"] |= {
        "JOINTS_0": document.add(joints), "WEIGHTS_0": document.add(weights),
    }  # fmt: skip
    scene = read_scene(document)
    np.testing.assert_allclose(scene.vertices, square + [[0, 0, 1], [0, 1, 0.5], [0, 0, 1], [0, 2, 0]])
    moves = np.random.default_rng(0).normal(size=(1, 4, 3))
    add_targets(document, scene, ["jawOpen"], moves)
    np.testing.assert_allclose(read_target(document, scene.parts[0], 0), moves[0], atol=1e-6)


@pytest.mark.parametrize("scale", [[1, 0, 1], [0, 0, 0]])
def test_what_is_flattened_moves_within_its_plane(scale, tmp_path):
    turn = {"rotation": [0, 0, 0.6, 0.8]}
    document = half([turn, turn | {"scale": scale}])
    scene = read_scene(document)
    moves = np.random.default_rng(0).normal(size=(1, 8, 3))
    add_targets(document, scene, ["jawOpen"], moves, moves / 10)
    document.write(tmp_path / "flat.glb")
    assert_valid(tmp_path / "flat.glb")
    face = load_face(tmp_path / "flat.glb")
    np.testing.assert_allclose(face.displacements[0, :4], moves[0, :4], atol=1e-6)
    shown = scene.parts[1].linear @ np.linalg.pinv(scene.parts[1].linear)
    np.testing.assert_allclose(face.displacements[0, 4:], moves[0, 4:] @ shown.T, atol=1e-6)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda tree: tree["meshes"][0]["primitives"][0]["attributes"].update(POSITION=999), "999 of its .* accessors"),
        (lambda tree: tree["meshes"][0]["primitives"][0].update(material=99), "99 of its 1 materials"),
        (lambda tree: tree["nodes"][0].update(mesh=77), "77 of its 1 meshes"),
        (lambda tree: tree["nodes"][0].update(children=[7]), "7 of its 1 nodes"),
        (lambda tree: tree["nodes"][0].update(children=[0]), "node 0 is below itself"),
        (lambda tree: tree["accessors"][0].update(bufferView=-1), "-1 of its .* bufferViews"),
        (lambda tree: tree["accessors"][0].update(componentType=5124), "accessor 0 has componentType 5124"),
        (lambda tree: tree["accessors"][0].update(count=9999), "buffer view 0 is shorter"),
        (lambda tree: tree["accessors"][0].update(count=3), "a triangle with vertex 3 of 3"),
        (lambda tree: tree["accessors"][0].pop("count"), "no valid glTF .KeyError"),
        (lambda tree: tree["nodes"][0].update(name=None), "None for a name"),
        (lambda tree: tree["nodes"][0].update(translation=["a", 0, 0]), "could not convert"),
        (lambda tree: tree["meshes"][0].update(weights=7), "no valid glTF .TypeError"),
        (lambda tree: tree["buffers"][0].update(byteLength=10**6), "of the 1000000 bytes of its buffer"),
    ],
)
@pytest.mark.parametrize("names", [["jawOpen"], ["smirk"]])  # one that is used as it is, and one that gets the 32
def test_a_damaged_file_is_named_in_a_line(damage, reason, names, tmp_path):
    document = half([{}])
    add_targets(document, read_scene(document), names, np.ones((1, 4, 3)))
    path = tmp_path / "häd.glb"
    document.write(path)
    tree = json.loads(json.dumps(document.tree))
    tree["buffers"] = [{"byteLength": len(document.buffer)}]
    damage(tree)
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    data = bytes(document.buffer) + b"\0" * (-len(document.buffer) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(data), 0x004E4942) + data
    path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)
    with pytest.raises(ValueError, match=reason) as raised:
        find_face(path, None if names == ["jawOpen"] else np.zeros((68, 3)))
    message = str(raised.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
