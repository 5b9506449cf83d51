"""Heads that came as GLB, as exporters store them: shared vertices, instances, weights at rest; and damaged ones."""

import numpy as np
import pytest
import trimesh
from animation.node import assert_valid

from said.animation import parts
from said.animation.export import as_obj
from said.animation.faces import load_face, scene_colours
from said.animation.heads import head_of
from said.animation.scene import write_animation
from said.animation.surfaces import read_head
from said.files.gltf import Material, Piece, build_document, smooth_normals
from said.files.gltf_document import Document, read_document
from said.files.gltf_morphs import add_targets
from said.files.gltf_scene import read_scene

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
    np.testing.assert_array_equal(file.part_labels(np.arange(8), 8), ["face face a"] * 4 + ["face face b"] * 4)
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
