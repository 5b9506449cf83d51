"""Wrong landmarks, triangles and units whose results would look plausible: each is refused by name."""

import re

import numpy as np
import pytest
import trimesh

from said.cleanup import crop, find_regions, reattach
from said.correspondence import find_correspondence
from said.deformation import transfer
from said.landmarks import MIRROR
from said.meshes import winding
from said.plausibility import landmark_fault, require_finite, require_landmarks, require_outward
from said.synthetic.identities import make_face, sample_identities
from said.synthetic.source import source_face
from said.units import size_fault


@pytest.fixture(scope="module")
def source():
    return source_face(3)


@pytest.fixture(scope="module", params=["head", "source", "ARKit", "FLAME"])
def face(request, head):
    """(V, 3) vertices, (F, 3) faces and (68,) landmarks of the meshes that there are."""
    if request.param == "head":
        return head.vertices, head.faces, head.landmarks
    if request.param == "source":
        mesh = request.getfixturevalue("source")
        return mesh.neutral, mesh.faces, mesh.landmarks
    from said.files.meshes import read_indices, read_mesh
    from said.vocaset.release import read_arkit

    official = request.getfixturevalue("official")
    landmarks = read_indices(official / f"{request.param}_landmarks.txt")
    if request.param == "FLAME":
        mesh = read_mesh(official / "FLAME_sample.ply")
    else:
        _, mesh = next(read_arkit(official / "ARKit_reference_blendshapes.zip"))
    return np.asarray(mesh.vertices), np.asarray(mesh.faces), landmarks


def test_the_mirror_is_an_involution():
    assert np.array_equal(MIRROR[MIRROR], np.arange(68)) and (MIRROR == np.arange(68)).sum() == 10


# ------------------------------------------------------------------------------------------ landmarks


@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_right_landmarks_pass_in_any_pose_and_unit(face, unit):
    from scipy.spatial.transform import Rotation

    vertices, faces, landmarks = face
    moved = unit * vertices @ Rotation.random(random_state=4).as_matrix().T + [5, 6, 7]
    require_landmarks(moved, landmarks)
    require_outward(moved, faces, landmarks)


def test_every_identity_passes(head):
    for identity in sample_identities(2, 1):
        require_landmarks(make_face(head, identity).template, head.landmarks)


WRONG = {
    "left and right": (lambda marks, count: marks[MIRROR], "look mirrored: left and right are swapped"),
    "from 1": (lambda marks, count: np.minimum(marks + 1, count - 1), "look counted from 1: subtract 1"),
    "from -1": (lambda marks, count: marks - 1, "look one too low: add 1"),
    "both": (lambda marks, count: np.minimum(marks + 1, count - 1)[MIRROR], "mirrored.* and counted from 1"),
    "shifted": (lambda marks, count: np.roll(marks, -3), "look shifted: number 65 of the list, from 0, is landmark 0"),
    "shuffled": (lambda marks, count: np.random.default_rng(0).permutation(marks), "lie as on no face: shuffled"),
    "reversed": (lambda marks, count: marks[::-1], "lie as on no face"),
    "eyes": (lambda marks, count: marks[np.r_[0:36, 42:48, 36:42, 48:68]], "landmarks 36, .*47 .*where a face has"),
    "corners": (lambda marks, count: marks[np.r_[0:48, 54, 49:54, 48, 55:68]], r"landmarks 48, 54 \(iBUG, from 0\)"),
    "neighbours": (
        lambda marks, count: marks[np.r_[0:12, 13, 12, 14:68]],
        r"landmarks (12|12, 13|13) \(iBUG, from 0\)",
    ),
    "another's": (lambda marks, count: np.linspace(0, count - 1, 68).astype(int), "lie as on no face"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_landmarks_are_refused_with_what_they_look_like(face, name):
    vertices, _, landmarks = face
    change, says = WRONG[name]
    with pytest.raises(ValueError, match=f"^source: .*{says}"):
        require_landmarks(vertices, change(landmarks, len(vertices)), "source: ")


def test_the_mirror_image_of_a_mesh_is_refused(face):
    vertices, faces, landmarks = face
    with pytest.raises(ValueError, match="look mirrored"):
        require_landmarks(vertices * [-1, 1, 1], landmarks)
    with pytest.raises(ValueError, match=f"{len(faces)} of {len(faces)}|of {len(faces) // 2}|triangles face inwards"):
        require_outward(vertices * [-1, 1, 1], faces, landmarks[MIRROR])


def test_landmarks_in_one_place_are_none():
    assert "lie" in landmark_fault(np.zeros((100, 3)), np.arange(68))


# ------------------------------------------------------------------------------------------ triangles


def around_landmarks(faces, landmarks):
    """(F,) bool: what hangs together with the landmarks."""
    labels = trimesh.graph.connected_component_labels(trimesh.geometry.faces_to_edges(faces))
    return labels[faces[:, 0]] == labels[landmarks[0]]


@pytest.mark.parametrize("share", ["all", "half", "a tenth", "one"])
def test_triangles_that_face_inwards_are_counted(face, share):
    vertices, faces, landmarks = face
    skin = np.flatnonzero(around_landmarks(faces, landmarks))
    count = {"all": len(skin), "half": len(skin) // 2, "a tenth": len(skin) // 10, "one": 1}[share]
    turned = np.array(faces)
    chosen = np.random.default_rng(1).choice(skin, count, replace=False)
    turned[chosen] = turned[chosen][:, ::-1]
    with pytest.raises(ValueError, match=f"^{count} of {len(skin)} triangles face inwards"):
        require_outward(vertices, turned, landmarks)


def test_one_sided_surfaces_have_no_inside():
    turn = np.arange(12)
    rungs = 2 * turn[:, None]
    strip = np.concatenate([rungs + [0, 1, 2], rungs + [1, 3, 2]])
    assert winding(strip)[2].all() and not winding(strip)[1].any()
    moebius = np.where(strip == 24, 1, np.where(strip == 25, 0, strip))  # the two ends, joined with half a turn
    assert not winding(moebius)[2].any()


@pytest.mark.parametrize("which", ["source", "template"])
@pytest.mark.parametrize("fault", ["winding", "landmarks"])
def test_the_chain_refuses_either_mesh(head, source, which, fault):
    faces = {"source": source.faces, "template": head.faces}
    marks = {"source": source.landmarks, "template": head.landmarks}
    if fault == "winding":
        faces[which] = faces[which][:, ::-1]
    else:
        marks[which] = marks[which][MIRROR]
    says = "triangles face inwards" if fault == "winding" else "look mirrored"
    with pytest.raises(ValueError, match=says):
        template = trimesh.Trimesh(head.vertices, faces["template"], process=False)
        part, index = crop(template, find_regions(template, marks["template"]).face)
        mesh = trimesh.Trimesh(source.neutral, faces["source"], process=False)
        find_correspondence(mesh, part, marks["source"], index[marks["template"]])


def test_other_landmarks_are_held_against_each_other():
    """Landmarks of no known scheme: both meshes must have them in the same places, with the same side out."""
    ball = trimesh.creation.icosphere(3)
    ball.vertices *= [1.0, 1.3, 0.8]
    marks = np.array([0, 3, 17, 40, 99, 200, 321])
    assert len(find_correspondence(ball, ball, marks, marks)) == len(ball.faces)
    with pytest.raises(ValueError, match="lie differently"):
        find_correspondence(ball, ball, marks, marks[[3, 0, 5, 1, 6, 2, 4]])
    inside_out = trimesh.Trimesh(ball.vertices, ball.faces[:, ::-1], process=False)
    with pytest.raises(ValueError, match="all triangles of the source or of the target face inwards"):
        find_correspondence(ball, inside_out, marks, marks)
    mirrored = trimesh.Trimesh(ball.vertices * [-1, 1, 1], ball.faces[:, ::-1], process=False)
    with pytest.raises(ValueError, match="look mirrored"):
        find_correspondence(ball, mirrored, marks, marks)
    some = np.array(ball.faces)
    some[:7] = some[:7, ::-1]
    with pytest.raises(ValueError, match=f"target: 7 of {len(some)} triangles face inwards where"):
        find_correspondence(ball, trimesh.Trimesh(ball.vertices, some, process=False), marks, marks)


# ------------------------------------------------------------------------------------------ values and units


def test_a_landmark_that_is_not_finite_is_named(head):
    vertices = np.array(head.vertices)
    vertices[head.landmarks[30]] = np.nan
    with pytest.raises(ValueError, match=f"^vertex {head.landmarks[30]}, which landmark 30 names, is not finite"):
        find_regions(trimesh.Trimesh(vertices, head.faces, process=False), head.landmarks)
    loose = np.setdiff1d(np.arange(len(vertices)), head.landmarks)[4]
    vertices = np.array(head.vertices)
    vertices[loose, 1] = np.inf
    with pytest.raises(ValueError, match=f"^head: vertex {loose} is not finite"):
        require_finite(vertices, "head: ", head.landmarks)


@pytest.mark.parametrize(
    ("ratio", "says"),
    [
        (1e3, "is 1000 times as large: millimetres beside metres"),
        (1e-3, "is 0.001 times as large: metres beside millimetres"),
        (100, "100 times"),
        (39.37, "inches beside metres"),
        (25.4, "millimetres beside inches"),
        (7, "7 times as large; bring both"),
        (0, "all its vertices in one place"),
    ],
)
def test_sizes_of_other_units_are_named(ratio, says):
    assert re.search(says, size_fault(0.06 * ratio, 0.06))


@pytest.mark.parametrize("ratio", [0.5, 1.0, 1.5])
def test_expressions_may_change_the_size(ratio):
    assert size_fault(0.06 * ratio, 0.06) is None and size_fault(ratio, 0.0) is None


@pytest.mark.parametrize("unit", [1e3, 1e-3, 100, 39.37])
def test_transfer_and_clean_up_refuse_expressions_in_another_unit(head, source, unit):
    mesh = trimesh.Trimesh(source.neutral, source.faces, process=False)
    shapes = np.array(source.expressions[:3])
    shapes[1] *= unit
    pairs = np.repeat(np.arange(len(mesh.faces))[:, None], 2, axis=1)
    with pytest.raises(ValueError, match="expression 1, beside the neutral source, is .* times as large"):
        transfer(mesh, shapes, mesh, pairs)
    template = trimesh.Trimesh(head.vertices, head.faces, process=False)
    regions = find_regions(template, head.landmarks)
    moved = np.stack([head.vertices[regions.face], unit * head.vertices[regions.face]])
    with pytest.raises(ValueError, match="expression 1, beside the template, is .* times as large"):
        reattach(template, regions, moved)
