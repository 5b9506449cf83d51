"""Deformation transfer: invariances on a small mask, and the real ARKit face onto FLAME."""

import zipfile

import numpy as np
import pytest
import scipy.sparse as sparse
import trimesh
from scipy.sparse.linalg import splu

from said import arkit, deformation
from said.cleanup import crop, find_regions, reattach
from said.deformation import deformation_gradients, find_correspondence, flipped_faces, register, transfer
from said.meshes import dissected, fit_similarity


def mask(columns, rows, bulge=0.04):
    """A symmetric curved mask, 16 by 20 cm, whose edges run symmetrically to x = 0 too."""
    across, along = np.linspace(-0.08, 0.08, 2 * columns + 1), np.linspace(-0.1, 0.1, rows)
    x, y = np.meshgrid(across, along)
    nose = 0.02 * np.exp(-(x**2 + y**2) / 0.02**2)
    vertices = np.c_[x.ravel(), y.ravel(), (nose + bulge - 6 * x**2 - 2 * y**2).ravel()]
    index = np.arange(x.size).reshape(x.shape)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    left = np.concatenate([np.stack([a, b, c], -1)[:, columns:], np.stack([a, c, d], -1)[:, columns:]])
    right = np.concatenate([np.stack([a, b, d], -1)[:, :columns], np.stack([b, c, d], -1)[:, :columns]])
    faces = np.concatenate([left.reshape(-1, 3), right.reshape(-1, 3)])
    return trimesh.Trimesh(vertices, faces, process=False)


def marks(mesh):
    """Nine landmarks: nearest vertices to a symmetric pattern."""
    pattern = [(x, y) for x in (-0.06, 0, 0.06) for y in (-0.08, 0, 0.08)]
    return np.array([np.argmin(((mesh.vertices[:, :2] - point) ** 2).sum(1)) for point in pattern])


def expressions(mesh):
    """Four: a left and a right bump, their mirror images, an opening jaw, an all-over translation."""
    x, y, z = mesh.vertices.T
    zero = np.zeros_like(x)

    def smile(side):
        weight = np.exp(-((x - side * 0.04) ** 2 + (y + 0.03) ** 2) / 0.02**2)
        return np.c_[0.01 * side * weight, 0.012 * weight, 0.004 * weight]

    angle = 0.4 * np.clip((-y - 0.02) / 0.05, 0, 1)
    arm = np.c_[zero, y + 0.02, z + 0.05]
    turned = np.c_[zero, np.cos(angle) * arm[:, 1] - np.sin(angle) * arm[:, 2],
                   np.sin(angle) * arm[:, 1] + np.cos(angle) * arm[:, 2]]  # fmt: skip
    moves = [smile(1), smile(-1), turned - arm, np.tile([0.001, 0.002, 0.003], (len(x), 1))]
    return mesh.vertices + np.stack(moves)


@pytest.fixture(scope="module")
def pair():
    source, target = mask(11, 23), mask(17, 31, bulge=0.05)
    target.vertices[:, 0] *= 1.1
    return source, target, find_correspondence(source, target, marks(source), marks(target))


def rotation(seed=0):
    from scipy.spatial.transform import Rotation

    return Rotation.random(random_state=seed).as_matrix()


def test_every_face_is_mapped_to_a_compatible_one(pair):
    source, target, pairs = pair
    assert np.array_equal(np.unique(pairs[:, 1]), np.arange(len(target.faces)))
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    registered = register(source, target, marks(source), marks(target))
    normals = trimesh.Trimesh(registered, source.faces, process=False).face_normals[pairs[:, 0]]
    agreement = (normals * target.face_normals[pairs[:, 1]]).sum(1)
    assert agreement.min() > 0
    apart = registered[source.faces].mean(1)[pairs[:, 0]] - target.vertices[target.faces].mean(1)[pairs[:, 1]]
    assert np.linalg.norm(apart, axis=1).max() < 0.012  # faces are 7 mm wide on the source


def test_registration_meets_landmarks_and_surface(pair):
    source, target, _ = pair
    registered = register(source, target, marks(source), marks(target))
    assert np.allclose(registered[marks(source)], target.vertices[marks(target)], atol=1e-12)
    before = trimesh.proximity.ProximityQuery(target).vertex(source.vertices)[0]
    after = trimesh.proximity.ProximityQuery(target).vertex(registered)[0]
    assert after.mean() < 0.4 * before.mean()


def test_identity_in_identity_out(pair):
    source, target, pairs = pair
    moved = transfer(source, source.vertices[None], target, pairs)
    assert np.abs(moved - target.vertices).max() <= 1e-9


def test_self_transfer_reproduces_every_expression(pair):
    source, _, _ = pair
    pairs = find_correspondence(source, source, marks(source), marks(source))
    moved = transfer(source, expressions(source), source, pairs)
    assert np.abs(moved - expressions(source)).max() <= 1e-6


@pytest.mark.parametrize("unit", [1e3, 1e-2])
def test_unit_of_length_does_not_matter(pair, unit):
    source, target, _ = pair
    results = []
    for scale in (1.0, unit):
        small, large = source.copy(), target.copy()
        small.vertices, large.vertices = scale * source.vertices, scale * target.vertices
        pairs = find_correspondence(small, large, marks(source), marks(target))
        results.append(transfer(small, scale * expressions(source), large, pairs) / scale)
    assert np.abs(results[0] - results[1]).max() <= 1e-6 * np.abs(target.vertices).max()


def test_rigid_motion_and_scaling_of_the_target_carry_over(pair):
    source, target, pairs = pair
    turn, scale, shift = rotation(), 2.5, np.array([1.0, -2.0, 0.5])
    other = target.copy()
    other.vertices = scale * target.vertices @ turn.T + shift
    plain = transfer(
        source, expressions(source), target, find_correspondence(source, target, marks(source), marks(target))
    )
    pairs = find_correspondence(source, other, marks(source), marks(target))
    moved = transfer(source, expressions(source), other, pairs)
    assert np.abs(moved - (scale * plain @ turn.T + shift)).max() <= 1e-6


def test_left_and_right_mirror(pair):
    source, target, pairs = pair
    moved = transfer(source, expressions(source), target, pairs) - target.vertices
    mirror = np.array([-1, 1, 1])
    distance, partner = trimesh.proximity.ProximityQuery(target).vertex(target.vertices * mirror)
    assert distance.max() < 1e-12
    largest = np.abs(moved[0]).max()
    assert largest > 0.008
    assert np.abs(moved[1][partner] * mirror - moved[0]).max() <= 1e-6 * largest


def test_follows_the_known_deformation_of_another_mesh(pair):
    """The same smooth expressions, defined on the target, differ by a small share of their motion."""
    source, target, pairs = pair
    moved = transfer(source, expressions(source), target, pairs)
    truth = expressions(target)
    for result, expected in zip(moved, truth, strict=True):
        motion = np.sqrt(((expected - target.vertices) ** 2).sum(1).mean())
        assert np.sqrt(((result - expected) ** 2).sum(1).mean()) <= 0.25 * motion
    assert not flipped_faces(target.vertices, target.faces, moved).any()


def test_components_and_loose_vertices_do_not_drift(pair):
    """A target in two pieces, and a vertex without faces: what corresponds to standing parts stands."""
    source, target, _ = pair
    upper = target.vertices[target.faces].mean(1)[:, 1] > 0.01
    lower = target.vertices[target.faces].mean(1)[:, 1] < -0.01
    faces = target.faces[upper | lower]
    vertices = np.vstack([target.vertices, [[9.0, 9.0, 9.0]]])
    pieces = trimesh.Trimesh(vertices, faces, process=False)
    moved = transfer(
        source, expressions(source)[2:3], pieces, find_correspondence(source, pieces, marks(source), marks(target))
    )
    still = np.unique(target.faces[upper])
    assert np.abs(moved[0, still] - vertices[still]).max() < 2e-4
    assert np.abs(moved[0, -1] - vertices[-1]).max() == 0
    assert np.isfinite(moved).all()


def test_a_vertex_of_collapsed_triangles_alone_goes_with_its_place(pair):
    """As the rounding of a dense mesh's coordinates leaves it; the rest of the mesh does not notice."""
    source, target, pairs = pair
    plain = transfer(source, expressions(source), target, pairs)
    (corner, other, _), number = target.faces[100], len(target.vertices)
    vertices = np.concatenate([target.vertices, target.vertices[[corner]]])
    faces = np.concatenate([target.faces, [[corner, number, other]]])
    more = np.concatenate([pairs, [[pairs[pairs[:, 1] == 100][0, 0], len(target.faces)]]])
    moved = transfer(source, expressions(source), trimesh.Trimesh(vertices, faces, process=False), more)
    np.testing.assert_allclose(moved[:, :number], plain, atol=1e-6)
    np.testing.assert_allclose(moved[:, number], moved[:, corner], atol=1e-7)


def test_the_order_of_the_equations_does_not_matter(pair, monkeypatch):
    source, target, pairs = pair
    plain = transfer(source, expressions(source), target, pairs)
    monkeypatch.setattr(deformation, "_MANY", 100)
    np.testing.assert_allclose(transfer(source, expressions(source), target, pairs), plain, atol=1e-12)


def test_nested_dissection_orders_a_grid_with_fewer_entries_than_it_has_itself():
    side = 60
    line = sparse.diags([-1.0, 2.0, -1.0], (-1, 0, 1), (side, side))
    matrix = sparse.csr_matrix(sparse.kronsum(line, line))
    points = np.stack([*np.divmod(np.arange(side**2), side), np.zeros(side**2)], axis=1)
    order = dissected(matrix, points)
    assert np.array_equal(np.sort(order), np.arange(side**2))
    plain, better = (
        splu(matrix[rows][:, rows].tocsc(), permc_spec="NATURAL", options={"SymmetricMode": True}).L.nnz
        for rows in (np.arange(side**2), order)
    )
    assert better < 0.5 * plain
    assert np.array_equal(np.sort(dissected(matrix, np.zeros_like(points))), np.arange(side**2))


def test_a_triangle_that_is_collapsed_at_rest_does_not_turn_over():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [2, 0, 0.0]])
    faces = np.array([[0, 1, 2], [2, 1, 0], [0, 1, 3]])
    mirrored = vertices * [1, -1, 1]
    assert flipped_faces(vertices, faces, np.stack([vertices, mirrored])).tolist() == [[False] * 3, [True, True, False]]
    assert flipped_faces(vertices, faces[:0], vertices[None]).shape == (1, 0)


def test_gradients_of_an_affine_map():
    mesh = mask(4, 6)
    turn = rotation(1)
    gradients = deformation_gradients(mesh.vertices, mesh.faces, (2 * mesh.vertices @ turn.T + 1)[None])
    # the scaled normal grows like a length, so a similarity comes out whole
    assert np.allclose(gradients[0], 2 * turn, atol=1e-9)


def test_similarity_is_recovered_without_reflection():
    points = np.random.default_rng(0).normal(size=(20, 3))
    turn = rotation(2)
    fitted = fit_similarity(points, 3 * points @ turn.T + [1, 2, 3])
    assert np.allclose(fitted.rotation, turn) and np.isclose(fitted.scale, 3)
    assert np.isclose(np.linalg.det(fit_similarity(points, points * [1, 1, -1]).rotation), 1)


def test_refuses_bad_input(pair):
    source, target, pairs = pair
    shapes = expressions(source)
    with pytest.raises(ValueError, match="no partner"):
        transfer(source, shapes, target, pairs[pairs[:, 1] != 5])
    with pytest.raises(ValueError, match="deformed must be"):
        transfer(source, shapes[:, :-1], target, pairs)
    with pytest.raises(ValueError, match="outside"):
        transfer(source, shapes, target, np.array([[0, len(target.faces)]]))
    broken = shapes.copy()
    broken[1, 4] = np.nan
    with pytest.raises(ValueError, match="expression 1: vertex 4 "):
        transfer(source, broken, target, pairs)
    with pytest.raises(ValueError, match="same number of landmarks"):
        find_correspondence(source, target, marks(source)[:-1], marks(target))
    with pytest.raises(ValueError, match="twice"):
        find_correspondence(source, target, np.zeros(9, int), marks(target))
    with pytest.raises(ValueError, match="vertex indices"):
        find_correspondence(source, target, marks(source) + 10**6, marks(target))


# ------------------------------------------------------------------------------------------ the real meshes


def _read_obj(text):
    lines = [line.split() for line in text.splitlines()]
    vertices = np.array([line[1:4] for line in lines if line[:1] == ["v"]], float)
    faces = [[int(corner.split("/")[0]) - 1 for corner in line[1:]] for line in lines if line[:1] == ["f"]]
    return vertices, np.array(faces)


@pytest.fixture(scope="module")
def real(official):
    """ARKit transferred to FLAME: everything a test may ask of it."""
    with zipfile.ZipFile(official / "ARKit_reference_blendshapes.zip") as archive:
        meshes = {name.split("/")[-1][:-4]: name for name in archive.namelist() if name.endswith(".obj")}
        read = {name: _read_obj(archive.read(meshes[name]).decode()) for name in (*arkit.SPEECH_BLENDSHAPES, "Neutral")}
    neutral, faces = read["Neutral"]
    source = trimesh.Trimesh(neutral, faces, process=False)
    deformed = np.stack([read[name][0] for name in arkit.SPEECH_BLENDSHAPES])
    template = trimesh.load(official / "FLAME_sample.ply", process=False)
    landmarks = {name: np.loadtxt(official / f"{name}_landmarks.txt", dtype=int) for name in ("ARKit", "FLAME")}
    head = np.loadtxt(official / "FLAME_head_idx.txt", dtype=int)
    regions = find_regions(template, landmarks["FLAME"], head)
    face, new_index = crop(template, regions.face)
    pairs = find_correspondence(source, face, landmarks["ARKit"], new_index[landmarks["FLAME"]])
    moved = transfer(source, deformed, face, pairs)
    heads = reattach(template, regions, moved)
    return dict(
        source=source, deformed=deformed, face=face, pairs=pairs, moved=moved, landmarks=new_index[landmarks["FLAME"]],
        source_landmarks=landmarks["ARKit"],
        template=template, regions=regions, heads=heads,
    )  # fmt: skip


def test_real_jaw_opens_and_lips_part(real):
    motion = real["moved"][arkit.SPEECH_BLENDSHAPES.index("jawOpen")] - real["face"].vertices
    chin, upper, lower = real["landmarks"][[8, 62, 66]]
    assert 0.030 <= np.linalg.norm(motion[chin]) <= 0.036
    assert np.linalg.norm(motion[upper]) < 0.003 and np.linalg.norm(motion[lower]) > 0.030
    assert motion[chin, 1] < -0.025


def test_real_faces_are_all_mapped_and_sound(real):
    source, face, pairs = real["source"], real["face"], real["pairs"]
    assert np.array_equal(np.unique(pairs[:, 1]), np.arange(len(face.faces)))
    registered = register(source, face, real["source_landmarks"], real["landmarks"])
    normals = trimesh.Trimesh(registered, source.faces, process=False).face_normals[pairs[:, 0]]
    compatible = (normals * face.face_normals[pairs[:, 1]]).sum(axis=1) > 0
    # what is left lies where FLAME turns round behind the jaw, beyond the rim of ARKit's mask
    assert len(np.unique(pairs[compatible, 1])) >= 0.998 * len(face.faces)
    # most are in mouthClose, which undoes an open jaw; the source has its share there too
    flipped = flipped_faces(face.vertices, face.faces, real["moved"]).mean()
    assert flipped < 1e-3 and flipped < flipped_faces(source.vertices, source.faces, real["deformed"]).mean()


def test_real_forehead_stays_where_the_sources_does(real):
    """The translation of every expression is the right one: least squares alone would leave it open."""
    source, face = real["source"], real["face"]
    still = np.linalg.norm(real["deformed"] - source.vertices, axis=2)[:, source.vertices[:, 1] > 0.045].max(1) == 0
    drift = np.linalg.norm(real["moved"] - face.vertices, axis=2)[:, face.vertices[:, 1] > 0.045].max(1)
    assert still.sum() > 20 and drift[still].max() < 0.0005


def test_real_motion_is_that_of_the_source(real):
    """No spikes: the largest displacement of every expression is within a fifth of the source's."""
    largest = np.linalg.norm(real["moved"] - real["face"].vertices, axis=2).max(1)
    expected = np.linalg.norm(real["deformed"] - real["source"].vertices, axis=2).max(1)
    assert (largest < 1.2 * expected).all() and (largest > 0.75 * expected).all()


def test_real_head_holds_together(real):
    regions, heads = real["regions"], real["heads"]
    rest = real["template"].vertices[regions.head]
    assert heads.shape == (32, 4580, 3)
    assert (heads[:, np.isin(regions.head, regions.eyeballs)] == rest[np.isin(regions.head, regions.eyeballs)]).all()
    in_face = np.isin(regions.head, regions.face)
    moved = np.linalg.norm(heads - rest, axis=2)
    assert (moved[:, ~in_face].max(1) <= 1.1 * moved[:, in_face].max(1)).all()
    assert np.allclose(heads[:, in_face], real["moved"], atol=1e-15)
