"""The synthetic speakers: topology, symmetry, scale, landmarks, identities, expressions, and their motion."""

import numpy as np
import pytest
import trimesh

from said.arkit import BLENDSHAPES, SPEECH_BLENDSHAPES, mirrored_name
from said.synthetic import expressions
from said.synthetic.anatomy import CENTIMETRE
from said.synthetic.contact import separate_lips
from said.synthetic.head import REGIONS, build_head
from said.synthetic.identities import IDENTITY_SIZE, make_face, sample_identities, warp
from said.synthetic.performance import perform
from said.synthetic.source import source_face

MIRROR_X = np.array([-1.0, 1.0, 1.0])
INDEX = {name: number for number, name in enumerate(SPEECH_BLENDSHAPES)}
# Largest displacement in percent of the face's width, measured on the blendshapes of ARKit.
ARKIT_PEAKS = {
    "jawForward": 6.8, "jawLeft": 6.6, "jawOpen": 29.9, "mouthClose": 19.8, "mouthFunnel": 10.1, "mouthPucker": 8.5,
    "mouthLeft": 9.0, "mouthSmileLeft": 13.8, "mouthFrownLeft": 5.2, "mouthDimpleLeft": 7.5, "mouthStretchLeft": 10.3,
    "mouthRollLower": 6.8, "mouthRollUpper": 7.6, "mouthShrugLower": 5.5, "mouthShrugUpper": 3.5,
    "mouthPressLeft": 7.7, "mouthLowerDownLeft": 5.3, "mouthUpperUpLeft": 7.0, "cheekPuff": 7.0,
    "cheekSquintLeft": 5.7, "noseSneerLeft": 3.6,
}  # fmt: skip
# Partner of each landmark on the other side of the face, iBUG order.
LANDMARK_MIRROR = np.array(
    [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46, 39, 38, 37, 36,
     41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
)  # fmt: skip


@pytest.fixture(scope="module")
def head():
    return build_head(0)


@pytest.fixture(scope="module")
def source():
    return source_face(0)


@pytest.fixture(scope="module")
def faces(head):
    return [make_face(head, identity) for identity in sample_identities(4, 1)]


def coefficients(**values):
    row = np.zeros(32)
    for name, value in values.items():
        for full in (name, f"{name}Left", f"{name}Right"):
            if full in INDEX:
                row[INDEX[full]] = value
    return row


def rms(displacements):
    return np.sqrt((displacements**2).sum(-1).mean())


def edge_uses(faces):
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    return edges, np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)


def check_manifold(faces):
    edges, (_, counts) = edge_uses(faces)
    assert counts.max() <= 2
    assert len(np.unique(edges, axis=0)) == len(edges), "two faces run along an edge in the same direction"


def boundary_loops(faces):
    _, (edges, counts) = edge_uses(faces)
    rim = edges[counts == 1]
    assert (np.unique(rim, return_counts=True)[1] == 2).all(), "boundaries touch"
    return len(trimesh.graph.connected_components(rim, min_len=1))


# topology


def test_head_is_a_manifold_of_skin_and_two_eyeballs(head):
    check_manifold(head.faces)
    assert set(np.unique(head.faces)) == set(range(len(head.vertices)))
    assert 4000 <= len(head.vertices) <= 5000
    mesh = trimesh.Trimesh(head.vertices, head.faces, process=False)
    parts = sorted(mesh.split(only_watertight=False), key=lambda part: len(part.vertices))
    assert len(parts) == 3
    assert all(part.is_watertight and part.volume > 0 for part in parts[:2])
    assert boundary_loops(head.faces) == 4  # mouth, two eyes, neck


def test_faces_look_outwards(head):
    skin = np.isin(head.regions, ["skin", "back", "neck"])
    mesh = trimesh.Trimesh(head.vertices, head.faces, process=False)
    outside = skin[head.faces].all(1)
    outwards = mesh.triangles_center[outside] - [0, -0.025, 0]
    assert ((mesh.face_normals[outside] * outwards).sum(1) > 0).mean() > 0.995


def test_no_face_of_the_head_is_degenerate(head):
    mesh = trimesh.Trimesh(head.vertices, head.faces, process=False)
    assert mesh.area_faces.min() > 1e-9  # a thousandth of a square millimetre


def test_regions_and_colours(head):
    assert set(head.regions) == set(REGIONS)
    assert head.colours.shape == head.vertices.shape and 0 <= head.colours.min() <= head.colours.max() <= 1
    ball = (head.regions == "eyeball") & (head.vertices[:, 0] > 0)
    front = head.vertices[ball][:, 2].argmax()
    assert head.colours[ball][front].max() < 0.1, "the pupil looks forward"
    beside = np.abs(head.vertices[ball] - head.vertices[ball][front])[:, 0] > 0.008
    assert head.colours[ball][beside].min() > 0.8, "the white of the eye lies beside the iris"


def test_source_has_another_topology_a_rim_and_three_openings(source, head):
    check_manifold(source.faces)
    assert 1000 <= len(source.neutral) <= 1500
    assert boundary_loops(source.faces) == 4
    mesh = trimesh.Trimesh(source.neutral, source.faces, process=False)
    assert mesh.body_count == 1 and mesh.area_faces.min() > 1e-9
    assert source.expressions.shape == (52, len(source.neutral), 3)


# symmetry, scale, landmarks


def test_mean_head_is_symmetric_in_shape_and_topology(head):
    mirrored = head.mirrored_vertices
    assert np.abs(head.vertices[mirrored] * MIRROR_X - head.vertices).max() < 1e-12
    assert (mirrored[mirrored] == np.arange(len(mirrored))).all()

    def canonical(faces):
        first = faces.argmin(1)
        return {tuple(np.roll(face, -start)) for face, start in zip(faces.tolist(), first, strict=True)}

    assert canonical(mirrored[head.faces][:, ::-1]) == canonical(head.faces)


def test_expressions_mirror_one_another(head):
    moves = dict(zip(BLENDSHAPES, expressions.displacements(head.vertices / CENTIMETRE, BLENDSHAPES), strict=True))
    for name, move in moves.items():
        partner = moves[mirrored_name(name)]
        assert np.abs(move[head.mirrored_vertices] * MIRROR_X - partner).max() < 1e-9, name


def test_size_is_that_of_a_head_in_metres(head, source):
    face = head.vertices[np.isin(head.regions, ["skin"])]
    assert 0.12 < np.ptp(face[:, 0]) < 0.16
    assert 0.20 < np.ptp(head.vertices[head.regions != "neck"][:, 1]) < 0.30
    assert 0.12 < np.ptp(source.neutral[:, 0]) < 0.16
    eyes = head.vertices[head.landmarks[36:48]].reshape(2, 6, 3).mean(1)
    assert 0.055 < np.linalg.norm(eyes[1] - eyes[0]) < 0.070  # between the pupils


@pytest.mark.parametrize("which", ["head", "source"])
def test_landmarks_are_distinct_and_lie_where_they_are_named(which, request):
    mesh = request.getfixturevalue(which)
    vertices = mesh.vertices if which == "head" else mesh.neutral
    assert mesh.landmarks.shape == (68,) and len(set(mesh.landmarks.tolist())) == 68
    jaw, right_brow, left_brow, bridge, base, right_eye, left_eye, outer, inner = np.split(
        vertices[mesh.landmarks], [17, 22, 27, 31, 36, 42, 48, 60]
    )
    for row in (jaw[1:-1], right_brow, left_brow, base, outer[:7], inner[:5]):
        assert (np.diff(row[:, 0]) > 0).all(), "from the subject's right to the left"
    assert (np.diff(outer[6:, 0]) < 0).all() and (np.diff(inner[4:, 0]) < 0).all()
    assert jaw[8, 1] == jaw[:, 1].min() and (np.diff(bridge[:, 1]) < 0).all()
    assert np.abs(bridge[:, 0]).max() < 0.004 and base[:, 1].max() < bridge[-2, 1]
    for eye, brow in ((right_eye, right_brow), (left_eye, left_brow)):
        assert eye[[0, 3], 0].tolist() == [eye[:, 0].min(), eye[:, 0].max()]
        assert eye[[1, 2], 1].min() > eye[[4, 5], 1].max() and brow[:, 1].min() > eye[:, 1].max()
    assert outer[1:6, 1].min() > inner[1:4, 1].max() > inner[5:, 1].max()
    assert inner[5:, 1].min() > outer[7:, 1].max()
    assert inner[0, 0] > outer[0, 0] and inner[4, 0] < outer[6, 0]


def test_landmarks_of_the_mean_head_are_symmetric(head):
    assert (head.mirrored_vertices[head.landmarks] == head.landmarks[LANDMARK_MIRROR]).all()


def test_landmarks_mark_the_same_places_on_source_and_head(head, source):
    places, others = head.vertices[head.landmarks], source.neutral[source.landmarks]
    assert np.linalg.norm(places - others, axis=1).max() < 0.015  # the identities alone differ by some millimetres


def test_lip_contacts_face_one_another(head):
    upper, lower = head.vertices[head.lip_contacts].transpose(1, 0, 2)
    assert (upper[:, 1] > lower[:, 1]).all() and np.abs(upper - lower).max() < 1e-3
    assert (np.diff(upper[:, 0]) < 0).all() and upper[0, 0] > 0.02


# identities and expressions


def test_identities_are_distinct_and_reproducible(head):
    identities = sample_identities(12, 3)
    assert identities.shape == (12, IDENTITY_SIZE)
    assert (identities == sample_identities(12, 3)).all() and (identities != sample_identities(12, 4)).any()
    points = head.vertices / CENTIMETRE
    templates = np.array([warp(points, identity) for identity in identities]) * CENTIMETRE
    apart = np.array([[rms(a - b) for a in templates] for b in templates]) + np.eye(12)
    assert apart.min() > 1.5e-3
    with pytest.raises(ValueError, match="at least one"):
        sample_identities(0, 1)
    with pytest.raises(ValueError, match="sample_identities"):
        warp(points, np.zeros(3))


def test_the_average_identity_is_the_mean_head(head):
    points = head.vertices / CENTIMETRE
    assert (warp(points, np.zeros(IDENTITY_SIZE)) == points).all()


def test_expressions_are_as_large_as_those_of_arkit(head):
    still = head.regions == "eyeball"
    moves = expressions.displacements(head.vertices / CENTIMETRE, SPEECH_BLENDSHAPES, head.anchors, still)
    width = np.ptp(head.vertices[head.landmarks, 0]) / CENTIMETRE
    for name, percent in ARKIT_PEAKS.items():
        ratio = np.linalg.norm(moves[INDEX[name]], axis=1).max() / width * 100 / percent
        assert 0.75 < ratio < 1.3, f"{name} is {ratio:.2f} times ARKit's"
    with pytest.raises(KeyError):
        expressions.displacements(head.vertices, ("mouthSmirk",))


def test_every_speakers_expressions_move_and_differ(head, faces):
    for face in faces:
        moves = face.blendshapes - face.template
        assert np.linalg.norm(moves, axis=2).max(1).min() > 1e-3
        flat = moves.reshape(32, -1)
        likeness = flat @ flat.T / np.outer(*[np.linalg.norm(flat, axis=1)] * 2)
        assert (likeness - np.eye(32)).max() < 0.93  # 0.92 among ARKit's own
        assert np.linalg.cond(flat) < 1000
        assert 0.03 < np.linalg.norm(moves[INDEX["jawOpen"], head.landmarks[8]]) < 0.05


def test_every_source_expression_moves_and_differs(source):
    moves = (source.expressions - source.neutral).reshape(52, -1)
    assert np.linalg.norm(moves.reshape(52, -1, 3), axis=2).max(1).min() > 3e-4
    likeness = moves @ moves.T / np.outer(*[np.linalg.norm(moves, axis=1)] * 2)
    assert (likeness - np.eye(52)).max() < 0.98


def test_mouth_close_closes_an_open_jaw(head):
    points = head.vertices / CENTIMETRE
    opened, closed = expressions.displacements(points, ("jawOpen", "mouthClose"), head.anchors) * CENTIMETRE
    upper, lower = head.lip_contacts[len(head.lip_contacts) // 2]
    assert head.vertices[upper, 1] + opened[upper, 1] - head.vertices[lower, 1] - opened[lower, 1] > 0.025
    both = head.vertices + opened + closed
    assert np.abs(both[upper] - both[lower]).max() < 0.004


# performance


def test_a_performance_of_zeros_is_the_template(faces):
    frames = perform(faces[0], np.zeros((3, 32)))
    assert frames.dtype == np.float32 and frames.shape == (3, *faces[0].template.shape)
    assert (frames == faces[0].template.astype(np.float32)).all()


def test_one_coefficient_alone_shows_its_blendshape(faces):
    names = ("jawOpen", "mouthSmileLeft", "mouthLowerDownRight", "noseSneerLeft", "mouthShrugUpper")
    frames = perform(faces[1], np.eye(32)[[INDEX[name] for name in names]])
    for frame, name in zip(frames, names, strict=True):
        assert np.abs(frame - faces[1].blendshapes[INDEX[name]]).max() < 1e-6, name


def test_speech_is_recovered_by_linear_blendshapes(faces):
    face, generator = faces[2], np.random.default_rng(5)
    poses = np.stack([
        coefficients(jawOpen=0.4, mouthLowerDown=0.2),
        coefficients(mouthPress=0.3, mouthRollLower=0.3, mouthRollUpper=0.3),
        coefficients(jawOpen=0.1, mouthPucker=0.7, mouthFunnel=0.3),
        coefficients(jawOpen=0.15, mouthStretch=0.3, mouthSmile=0.2),
    ])  # fmt: skip
    share = generator.dirichlet(np.ones(4), size=80)
    frames = perform(face, share @ poses, generator)
    basis = (face.blendshapes - face.template).reshape(32, -1).T
    motion = (frames - face.template).reshape(80, -1).T
    fitted = np.linalg.lstsq(basis, motion, rcond=None)[0]
    residual = (motion - basis @ fitted).T.reshape(80, -1, 3)
    assert rms(motion.T.reshape(80, -1, 3)) > 1e-3
    assert 0.05e-3 < rms(residual) < 0.35e-3  # there is motion that no blendshape has, but little


def test_noise_is_smooth_in_time_small_and_reproducible(faces):
    frames = perform(faces[0], np.zeros((60, 32)), np.random.default_rng(8), white_noise=0.0)
    offset = frames - faces[0].template.astype(np.float32)
    assert 0.05e-3 < rms(offset) < 0.4e-3
    steps = rms(np.diff(offset, axis=0))
    assert steps < 0.5 * rms(offset)
    assert (offset[:, faces[0].still] == 0).all()
    again = perform(faces[0], np.zeros((60, 32)), np.random.default_rng(8), white_noise=0.0)
    assert (frames == again).all()


def test_eyeballs_never_move(faces):
    frames = perform(faces[3], np.full((4, 32), 0.3), np.random.default_rng(1))
    still = faces[3].still
    assert still.sum() > 500 and (frames[:, still] == faces[3].template[still].astype(np.float32)).all()


def test_lips_never_pass_through_each_other(faces):
    generator = np.random.default_rng(11)
    bilabials = coefficients(
        mouthPress=0.5, mouthRollLower=0.6, mouthRollUpper=0.6, mouthShrugLower=0.5, mouthClose=0.2
    )
    wild = generator.uniform(0, 1, size=(40, 32)) * (generator.uniform(size=(40, 32)) < 0.3)
    for face in faces:
        frames = perform(face, np.vstack([bilabials, wild]), generator)
        upper, lower = face.lips.pairs.T
        assert (frames[:, upper, 1] - frames[:, lower, 1]).min() > 0
        linear = face.template + np.tensordot(bilabials, face.blendshapes - face.template, 1)
        assert (linear[upper, 1] - linear[lower, 1]).min() < -1e-3, "the blendshapes alone would have them cross"


def test_contact_yields_smoothly_and_nowhere_else(head, faces):
    face = faces[0]
    frame = perform(face, coefficients(mouthShrugLower=0.8)[None])
    before = face.template + 0.8 * (face.blendshapes[INDEX["mouthShrugLower"]] - face.template)
    moved = frame[0] - before
    assert 5e-4 < np.abs(moved[:, 1]).max() < 5e-3 and np.abs(moved[:, [0, 2]]).max() < 1e-6
    far = np.abs(head.vertices[:, 1] - head.vertices[head.lip_contacts].mean((0, 1))[1]) > 0.025
    assert np.abs(moved[far]).max() < 1e-6
    # no crease: on one lip, neighbours give way by nearly the same
    upper, lower = face.lips.pairs.T
    for lip in (upper, lower):
        assert np.abs(np.diff(moved[lip, 1])).max() < 0.6 * np.abs(moved[lip, 1]).max()


def test_parted_lips_are_left_alone(faces):
    frames = perform(faces[0], coefficients(jawOpen=0.5)[None]).astype(np.float64)
    before = frames.copy()
    separate_lips(frames, faces[0].lips)
    assert (frames == before).all()


@pytest.mark.parametrize(
    ("bad", "message"), [(np.zeros((5, 52)), "SPEECH_BLENDSHAPES"), (np.full((2, 32), np.nan), "NaN")]
)
def test_bad_coefficients_are_refused(faces, bad, message):
    with pytest.raises(ValueError, match=message):
        perform(faces[0], bad)


def test_same_seed_same_bytes(head):
    again = build_head(0)
    for name, value in vars(head).items():
        assert np.array_equal(value, getattr(again, name)), name
