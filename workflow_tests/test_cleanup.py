"""The clean-up of templates, on the synthetic topology and on FLAME."""

import networkx as nx
import numpy as np
import pytest
import trimesh

from said.cleanup import Regions, crop, find_regions, head_axes, reattach
from said.meshes import unique_edges


@pytest.fixture(scope="module")
def mesh(head):
    return trimesh.Trimesh(head.vertices, head.faces, process=False)


@pytest.fixture(scope="module")
def regions(head, mesh):
    return find_regions(mesh, head.landmarks)


def share(regions_of_vertices, chosen, name):
    named = regions_of_vertices == name
    return np.isin(np.flatnonzero(named), chosen).mean()


def test_parts_are_those_that_the_generator_knows(head, regions):
    names = head.regions
    assert np.array_equal(regions.eyeballs, np.flatnonzero(names == "eyeball"))
    assert share(names, regions.head, "neck") < 0.02
    assert min(share(names, regions.head, part) for part in ("ear", "lip", "lid", "eyeball")) == 1
    assert share(names, regions.head, "skin") > 0.97
    assert share(names, regions.face, "neck") < 0.02
    for part in ("ear", "eyeball", "back"):
        assert share(names, regions.face, part) == 0
    assert share(names, regions.face, "lip") == 1 and share(names, regions.face, "skin") > 0.75


def test_face_is_one_piece_with_all_landmarks(head, mesh, regions):
    face, new_index = crop(mesh, regions.face)
    assert (new_index[head.landmarks] >= 0).all()
    assert face.body_count == 1 and len(np.unique(face.faces)) == len(face.vertices)
    assert np.isin(regions.face, regions.head).all()


def rims(mesh):
    """The boundary of a mesh as lists of vertices, one per closed curve."""
    edges, uses = np.unique(np.sort(mesh.edges, axis=1), axis=0, return_counts=True)
    return [list(curve) for curve in nx.connected_components(nx.Graph(edges[uses == 1].tolist()))]


def assert_openings_are_eyes_and_mouth(face, landmarks):
    """One outer rim, and a hole for each eye and the mouth: a landmark's neighbourhood is nowhere torn."""
    curves = sorted(rims(face), key=lambda curve: np.ptp(face.vertices[curve], axis=0).max())
    assert len(curves) == 4
    centres = [face.vertices[curve].mean(axis=0) for curve in curves[:3]]
    expected = [face.vertices[landmarks[part]].mean(axis=0) for part in (slice(36, 42), slice(42, 48), slice(60, 68))]
    apart = np.linalg.norm(np.subtract.outer(centres, expected).diagonal(axis1=1, axis2=3), axis=-1)
    assert sorted(apart.argmin(axis=1)) == [0, 1, 2] and apart.min(axis=1).max() < 0.01


def test_openings_of_the_face_are_eyes_and_mouth(head, mesh, regions):
    face, new_index = crop(mesh, regions.face)
    assert_openings_are_eyes_and_mouth(face, new_index[head.landmarks])


def test_pose_and_unit_do_not_matter(head, mesh, regions):
    from scipy.spatial.transform import Rotation

    moved = trimesh.Trimesh(
        1e3 * mesh.vertices @ Rotation.random(random_state=4).as_matrix().T + [5, 6, 7], mesh.faces, process=False
    )
    again = find_regions(moved, head.landmarks)
    for name, part in vars(regions).items():
        assert np.array_equal(getattr(again, name), part)


def test_crop_keeps_vertices_and_whole_faces(mesh, regions):
    part, new_index = crop(mesh, regions.head)
    assert (part.vertices == mesh.vertices[regions.head]).all()
    assert (new_index[regions.head] == np.arange(len(regions.head))).all()
    assert (new_index >= 0).sum() == len(regions.head)
    inside = np.isin(mesh.faces, regions.head).all(1)
    assert np.array_equal(regions.head[part.faces], mesh.faces[inside])
    with pytest.raises(ValueError, match="twice"):
        crop(mesh, [1, 2, 2])


def smooth_motion(vertices, head):
    """A jaw-like motion that does not vanish at the seam: 30 mm at the chin, 10 mm 4 cm away."""
    chin = head.vertices[head.landmarks[8]]
    weight = np.exp(-((vertices - chin) ** 2).sum(1) / 0.06**2)
    return np.stack([weight[:, None] * [0, -0.03, -0.01], weight[:, None] * [0.01, 0, 0]])


def test_reattached_parts_stay_and_no_seam_opens(head, mesh, regions):
    rest = mesh.vertices[regions.head]
    moved_face = mesh.vertices[regions.face] + smooth_motion(mesh.vertices[regions.face], head)
    heads = reattach(mesh, regions, moved_face)
    assert heads.shape == (2, len(regions.head), 3)
    in_face = np.isin(regions.head, regions.face)
    assert np.allclose(heads[:, in_face], moved_face, atol=1e-15)
    eyeballs = np.isin(regions.head, regions.eyeballs)
    assert (heads[:, eyeballs] == rest[eyeballs]).all()
    behind = (rest - head.vertices[head.landmarks[27]]) @ head_axes(mesh.vertices, head.landmarks)[2] < -0.12
    assert behind.sum() > 100 and np.abs((heads - rest)[:, behind]).max() < 1e-12

    # no step: across the seam, motion changes per length of edge no faster than a few times as fast as in the face
    edges = unique_edges(crop(mesh, regions.head)[0].faces)
    length = np.linalg.norm(rest[edges[:, 0]] - rest[edges[:, 1]], axis=1)
    displacement = heads - rest
    strain = np.linalg.norm(displacement[:, edges[:, 0]] - displacement[:, edges[:, 1]], axis=2) / length
    within = in_face[edges].all(1)
    assert strain[:, ~within].max() < 3 * strain[:, within].max()
    # the seam does move, so the test means something
    across = in_face[edges[:, 0]] != in_face[edges[:, 1]]
    assert np.linalg.norm(displacement[0, edges[across]], axis=-1).max() > 0.003


def test_template_in_template_out(mesh, regions):
    heads = reattach(mesh, regions, mesh.vertices[regions.face][None])
    assert np.abs(heads[0] - mesh.vertices[regions.head]).max() < 1e-15


def test_published_head_of_flame(official):
    template = trimesh.load(official / "FLAME_sample.ply", process=False)
    landmarks = np.loadtxt(official / "FLAME_landmarks.txt", dtype=int)
    published = np.loadtxt(official / "FLAME_head_idx.txt", dtype=int)
    given, derived = find_regions(template, landmarks, published), find_regions(template, landmarks)
    assert np.array_equal(given.head, published) and len(given.eyeballs) == 2 * 546
    assert np.isin(published, derived.head).mean() > 0.999  # derived keeps a little more, the mouth's inside
    assert len(derived.head) < 4800
    ends = template.vertices[:, 1] < -0.13  # shoulders and lower neck
    assert not np.isin(np.flatnonzero(ends), derived.head).any()
    for regions in (given, derived):
        assert 1500 < len(regions.face) < 2200
        face = template.vertices[regions.face]
        assert face[:, 2].min() > -0.05  # neither ears nor back of the head
        face, new_index = crop(template, regions.face)
        assert_openings_are_eyes_and_mouth(face, new_index[landmarks])


def test_refuses_bad_landmarks_and_heads(head, mesh, regions):
    with pytest.raises(ValueError, match="68"):
        find_regions(mesh, head.landmarks[:51])
    with pytest.raises(ValueError, match="distinct"):
        find_regions(mesh, np.r_[head.landmarks[:67], head.landmarks[0]])
    with pytest.raises(ValueError, match="several components"):
        find_regions(mesh, np.r_[head.landmarks[:67], regions.eyeballs[0]])
    with pytest.raises(ValueError, match="outside the head"):
        find_regions(mesh, head.landmarks, np.setdiff1d(regions.head, head.landmarks[30]))
    with pytest.raises(ValueError, match="indices"):
        find_regions(mesh, head.landmarks, [len(mesh.vertices)])
    with pytest.raises(ValueError, match="faces_moved"):
        reattach(mesh, regions, np.zeros((2, 5, 3)))


def test_regions_are_plain_arrays(regions):
    assert Regions(**vars(regions)).face is regions.face
    assert all(part.dtype.kind == "i" and (np.diff(part) > 0).all() for part in vars(regions).values())
