"""Heads as people have them: lips that touch, cuts whose edges lie in one place, triangles without area."""

import numpy as np
import pytest
import trimesh
from animation.test_heads import write_obj

from said.animation import heads
from said.animation.faces import load_face
from said.animation.heads import head_of
from said.arkit import SPEECH_BLENDSHAPES
from said.landmarks import LOWER_INNER_LIP, UPPER_INNER_LIP

JAW_OPEN = SPEECH_BLENDSHAPES.index("jawOpen")
EXCHANGED = np.arange(68)
EXCHANGED[[61, 62, 63, 67, 66, 65]] = [67, 66, 65, 61, 62, 63]


@pytest.fixture(scope="module")
def touching(head):
    """Vertices with the two lips' contacts in the same places."""
    vertices, (upper, lower) = head.vertices.copy(), head.lip_contacts.T
    vertices[upper] = vertices[lower] = (vertices[upper] + vertices[lower]) / 2
    return vertices


@pytest.fixture(scope="module")
def expected(head, tmp_path_factory):
    """The displacements of the head itself."""
    path = tmp_path_factory.mktemp("plain") / "head.obj"
    write_obj(path, head.vertices, head.faces)
    return head_of(path, head.landmarks).displacements


def opening(head, moves):
    """(3,) how far jawOpen parts the inner lips, in metres."""
    upper, lower = (head.landmarks[list(numbers)] for numbers in (UPPER_INNER_LIP, LOWER_INNER_LIP[::-1]))
    return moves[JAW_OPEN, upper, 1] - moves[JAW_OPEN, lower, 1]


def test_points_on_lips_that_touch_mean_the_same_as_vertices(head, touching, expected, tmp_path):
    path = tmp_path / "head.obj"
    write_obj(path, touching, head.faces)
    moves = head_of(path, touching[head.landmarks]).displacements
    np.testing.assert_allclose(moves, head_of(path, head.landmarks).displacements, atol=1e-9)
    np.testing.assert_allclose(opening(head, moves), opening(head, expected), rtol=0.2)
    assert opening(head, moves).min() > 0.02


def test_inner_landmarks_on_the_wrong_lip_are_placed_right_or_refused(head, expected, tmp_path):
    path = tmp_path / "head.obj"
    write_obj(path, head.vertices, head.faces)
    moves = head_of(path, head.vertices[head.landmarks[EXCHANGED]]).displacements
    np.testing.assert_allclose(opening(head, moves), opening(head, expected), rtol=0.2)
    with pytest.raises(ValueError, match=r"head\.obj: landmarks 61 to 63 lie on the lower lip: place 61 to 63 on"):
        head_of(path, head.landmarks[EXCHANGED])


@pytest.mark.parametrize("points", [False, True])
@pytest.mark.parametrize("gap", [0, 1e-6])
def test_a_cut_whose_edges_lie_in_one_place_is_an_opening(points, gap, head, touching, expected, tmp_path):
    """As a program's rip tool leaves it, with no pocket behind."""
    path = tmp_path / "head.obj"
    vertices = touching.copy()
    vertices[head.lip_contacts[:, 0], 1] += gap
    faces = head.faces[(head.regions != "mouth")[head.faces].all(axis=1)]
    write_obj(path, vertices, faces)
    made = head_of(path, vertices[head.landmarks] if points else head.landmarks)
    np.testing.assert_allclose(opening(head, made.displacements), opening(head, expected), rtol=0.2)
    # The corners hold together, and the seam of no other part came open.
    corners = made.displacements[JAW_OPEN, head.lip_contacts]
    apart = np.linalg.norm(corners[:, 0] - corners[:, 1], axis=1)
    assert apart.max() > 0.02 > 0.01 > apart.min()


def test_a_triangle_without_area_beside_the_mouth_changes_nothing_elsewhere(head, expected, tmp_path):
    vertices = head.vertices.copy()
    near = np.linalg.norm(vertices - vertices[head.landmarks[54]] - [0.003, 0.005, 0], axis=1)
    near[np.unique(head.faces[(head.regions != "skin")[head.faces].any(axis=1)])] = np.inf
    near[head.landmarks] = np.inf
    one = int(near.argmin())
    other = int(np.setdiff1d(head.faces[(head.faces == one).any(axis=1)][0], [one, *head.landmarks])[0])
    vertices[other] = vertices[one]
    path = tmp_path / "head.obj"
    write_obj(path, vertices, head.faces)
    off = np.linalg.norm(head_of(path, head.landmarks).displacements - expected, axis=2)
    assert (off.max(axis=0) > 2e-3).sum() < 10


@pytest.mark.parametrize("finer", [False, True])
@pytest.mark.parametrize("seams", [False, True])
def test_two_heads_in_one_place_are_named(finer, seams, head, tmp_path):
    """Levels of detail of one scene; with seams along which four triangles meet."""
    copies = [(head.vertices, head.faces)] * 2
    if finer:
        vertices, faces = trimesh.remesh.subdivide(head.vertices, head.faces)[:2]
        copies[0] = vertices, faces
    lines, begin = [], 1
    for name, (vertices, faces) in zip(("Head_LOD0", "Head_LOD1"), copies, strict=True):
        if seams:
            vertices, faces = unwelded(np.asarray(vertices), np.asarray(faces))
        lines += [f"o {name}", *(f"v {x:.10g} {y:.10g} {z:.10g}" for x, y, z in vertices)]
        lines += ["f " + " ".join(str(corner + begin) for corner in face) for face in faces]
        begin += len(vertices)
        (tmp_path / f"{name}.obj").write_text("\n".join(lines))
    marks = head.vertices[head.landmarks]
    with pytest.raises(ValueError, match="two heads in one place: Head_LOD0 and Head_LOD1; keep one"):
        head_of(tmp_path / "Head_LOD1.obj", marks)
    assert head_of(tmp_path / "Head_LOD0.obj", marks).displacements.any()


def test_a_dense_head_is_said_to_take_long_beforehand(head, tmp_path, monkeypatch, capsys):
    path = tmp_path / "head.obj"
    write_obj(path, head.vertices, head.faces)
    lines = []
    head_of(path, head.landmarks, report=lines.append)
    assert not lines
    monkeypatch.setattr(heads, "_DENSE", len(head.vertices))
    load_face(path, head.landmarks)
    assert f"head.obj: {len(head.vertices)} vertices; its blendshapes take a while" in capsys.readouterr().out


def unwelded(vertices, faces):
    """The left and the right half with vertices of their own along the seam between them."""
    halves = [faces[vertices[faces].mean(axis=1)[:, 0] > 0], faces[vertices[faces].mean(axis=1)[:, 0] <= 0]]
    return np.concatenate([vertices, vertices]), np.concatenate([halves[0], halves[1] + len(vertices)])
