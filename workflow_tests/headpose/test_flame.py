"""FLAME and MEAD's parameters: closed forms, files in their layouts from generated data, and hostile ones."""

import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy.sparse import csc_matrix
from scipy.spatial.transform import Rotation

from said.arkit import SPEECH_BLENDSHAPES
from said.cleanup import find_regions
from said.corpus import Topology
from said.headpose.flame import Flame, FlameError
from said.headpose.flame_rig import fit_performance, rig_of
from said.headpose.mead import MeadError, Performance, find_performances, read_performance
from said.running.integrity import UnreadableError
from said.synthetic.anatomy import CENTIMETRE
from said.synthetic.expressions import displacements
from said.synthetic.source import source_face
from said.vocaset.flame import read_flame
from said.vocaset.unpickle import UnpickleError

VERTICES = 9
JOINT = np.array([0.1, -0.2, 0.3])


def content(expressions: int = 4) -> dict[str, np.ndarray]:
    """A model whose jaw's joint is where its last vertex is, which does not move."""
    random = np.random.default_rng(0)
    template = random.normal(size=(VERTICES, 3))
    template[-1] = JOINT
    shapes = random.normal(size=(VERTICES, 3, 300 + expressions))
    shapes[-1] = 0
    regressor = np.zeros((5, VERTICES))
    regressor[2, -1] = 1
    weights = random.dirichlet(np.ones(5), VERTICES)
    poses = random.normal(size=(VERTICES, 3, 36))
    return {
        "v_template": template, "shapedirs": shapes, "posedirs": poses, "J_regressor": regressor, "weights": weights,
        "f": np.array([[0, 1, 2], [1, 3, 2]], np.uint32),
    }  # fmt: skip


class _Ch:
    """What chumpy's arrays are in a pickle: an object with its values under x."""

    def __init__(self, x):
        self.x, self._dirty_vars, self._itr = x, set(), None


def as_distributed(values: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The pickle as MPI publishes it: protocol 2, chumpy's arrays, scipy's sparse matrix, and keys not needed here."""
    module = types.ModuleType("chumpy.ch")
    _Ch.__module__, _Ch.__qualname__, _Ch.__name__, module.Ch = "chumpy.ch", "Ch", "Ch", _Ch
    monkeypatch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
    monkeypatch.setitem(sys.modules, "chumpy.ch", module)
    wrapped = {name: _Ch(values[name]) for name in ("v_template", "shapedirs", "posedirs")}
    sparse = {"J_regressor": csc_matrix(values["J_regressor"])}
    return pickle.dumps({**values, **wrapped, **sparse, "bs_style": "lbs", "kintree_table": np.zeros((2, 5))}, 2)


def test_a_head_at_rest_is_the_mean():
    flame = Flame.of(content(), "model")
    rest = flame.move(np.zeros((2, 4)), np.zeros((2, 3)))
    np.testing.assert_allclose(rest, np.stack([flame.template] * 2), atol=1e-12)


def test_expressions_are_linear_and_fewer_will_do():
    values, flame = content(), Flame.of(content(), "model")
    expression = np.array([[0.5, -1.0]])
    expected = values["v_template"] + values["shapedirs"][:, :, 300:302] @ expression[0]
    np.testing.assert_allclose(flame.move(expression, np.zeros((1, 3)))[0], expected, atol=1e-12)


def test_what_follows_the_jaw_wholly_turns_about_its_joint():
    values = content()
    values["posedirs"][:] = 0
    values["weights"][:] = np.eye(5)[[2] * 5 + [1] * 4]
    turn = np.array([0.3, -0.1, 0.2])
    moved = Flame.of(values, "model").move(np.zeros((1, 4)), turn[None])[0]
    matrix = Rotation.from_rotvec(turn).as_matrix()
    np.testing.assert_allclose(moved[:5], (values["v_template"][:5] - JOINT) @ matrix.T + JOINT, atol=1e-12)
    np.testing.assert_allclose(moved[5:], values["v_template"][5:], atol=1e-12)


def test_pose_correctives_of_the_jaw_alone_act():
    values = content()
    values["weights"][:] = np.eye(5)[1]
    turn = np.array([0.3, 0.0, 0.0])
    rotation = (Rotation.from_rotvec(turn).as_matrix() - np.eye(3)).ravel()
    expected = values["v_template"] + values["posedirs"][:, :, 9:18] @ rotation
    np.testing.assert_allclose(Flame.of(values, "m").move(np.zeros((1, 4)), turn[None])[0], expected, atol=1e-12)


@pytest.mark.parametrize("form", ["generic_model.pkl", "flame.npz"])
def test_both_forms_of_the_file_are_read_alike(tmp_path, monkeypatch, form):
    values, path = content(), tmp_path / form
    if form.endswith("npz"):
        np.savez(path, **values)
    else:
        path.write_bytes(as_distributed(values, monkeypatch))
    flame, expected = read_flame(path), Flame.of(values, "model")
    for name, array in vars(expected).items():
        np.testing.assert_array_equal(getattr(flame, name), array)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("weights", None, "lacks weights"),
        ("shapedirs", np.zeros((VERTICES, 3, 300)), "none of expression"),
        ("weights", np.zeros((VERTICES, 24)), "is it a model of a body?"),
        ("v_template", np.full((VERTICES, 3), np.nan), "v_template holds values that are not finite"),
        ("posedirs", np.array(["x"]), "posedirs is no array of numbers"),
    ],
)
def test_what_is_no_model_is_refused_by_file_and_key(tmp_path, key, value, told):
    values = {**content(), key: value}
    np.savez(tmp_path / "flame.npz", **{name: one for name, one in values.items() if one is not None})
    with pytest.raises(FlameError, match=told) as raised:
        read_flame(tmp_path / "flame.npz")
    assert "flame.npz" in str(raised.value)


@pytest.mark.parametrize(("part", "value"), [("indices", 77), ("indices", -1), ("indptr", 3), ("indptr", 2**31 - 1)])
def test_a_sparse_matrix_that_contradicts_itself_is_refused(tmp_path, monkeypatch, part, value):
    values = content()
    bad = csc_matrix(values["J_regressor"])
    getattr(bad, part)[:] = value
    monkeypatch.setattr(sys.modules[__name__], "csc_matrix", lambda _: bad)
    (tmp_path / "model.pkl").write_bytes(as_distributed(values, monkeypatch))
    with pytest.raises(FlameError, match="model.pkl: J_regressor is no sparse matrix"):
        read_flame(tmp_path / "model.pkl")


class _Run:
    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


@pytest.mark.parametrize("harm", [_Run(), [_Ch, _Run()]], ids=["a call", "beside chumpy's"])
def test_a_pickle_that_would_run_something_is_refused(tmp_path, monkeypatch, harm):
    monkeypatch.chdir(tmp_path)
    as_distributed(content(), monkeypatch)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(harm, 2))
    with pytest.raises(UnpickleError, match="model.pkl: names"):
        read_flame(tmp_path / "model.pkl")
    assert not Path("ran").exists()


def parameters(frames: int = 26) -> np.ndarray:
    """(1, frames, 403): expression 0 grows by .01 a frame, the jaw opens by as many radians."""
    values = np.zeros((1, frames, 403), np.float32)
    values[0, :, 300] = values[0, :, 400] = 0.01 * np.arange(frames)
    values[0, :, :300] = 7  # whose shape it is does not matter
    return values


def write_mead(folder: Path, names: str = "M003_001_0_0 M003_001_1_2 M003_001_1_1 M003_001_0_2 W009_012_7_2") -> Path:
    folder.mkdir()
    for name in names.split():
        np.save(folder / f"{name}.npy", parameters())
    return folder


def test_level_3_is_found_and_level_1_of_neutral(tmp_path):
    found = find_performances(write_mead(tmp_path / "mead"))
    assert [read_performance(path).name for path in found] == [
        "M003_001_neutral_1", "M003_001_happy_3", "W009_012_contempt_3",
    ]  # fmt: skip


def test_25_frames_a_second_become_30(tmp_path):
    performance = read_performance(write_mead(tmp_path / "mead") / "M003_001_1_2.npy")
    assert performance.expression.shape == (31, 100) and performance.jaw.shape == (31, 3)
    np.testing.assert_allclose(performance.expression[:, 0], np.linspace(0, 0.25, 31), atol=1e-7)
    np.testing.assert_allclose(performance.jaw[:, 0], performance.expression[:, 0], atol=1e-7)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda v: v[0], r"has the shape \(26, 403\), expected \(1, frames, 403\)"),
        (lambda v: v[..., :56], "expected"),
        (lambda v: v[:, :0], "expected"),
        (lambda v: v.astype(int), "holds int64, expected floating-point numbers"),
        (lambda v: np.where(np.arange(403) == 350, np.nan, v), r"frame 0, parameter 350 \(from 0\) is not finite"),
        (lambda v: 180 / np.pi * v, "frame 25: the jaw turns by 14.3 radians; are they degrees"),
    ],
)
def test_parameters_that_cannot_be_are_refused_by_file_and_place(tmp_path, spoil, told):
    path = write_mead(tmp_path / "mead") / "M003_001_1_2.npy"
    np.save(path, spoil(parameters()))
    with pytest.raises(MeadError, match=told) as raised:
        read_performance(path)
    assert "M003_001_1_2.npy" in str(raised.value)


def test_what_is_no_array_is_refused(tmp_path):
    path = tmp_path / "M003_001_1_2.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(UnreadableError, match="M003_001_1_2.npy"):
        read_performance(path)
    np.save(path, np.array([_Run()], object))
    with pytest.raises(UnreadableError):
        read_performance(path)
    assert not Path("ran").exists()


def test_a_folder_of_another_layout_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(MeadError, match="headpose.emotions.path: .* is no folder"):
        find_performances(tmp_path / "nowhere")
    with pytest.raises(MeadError, match="holds no <subject>_<sentence>_<emotion>_<intensity>.npy"):
        find_performances(write_mead(tmp_path / "other", "M003_happy M003_001_1_0"))
    tree = tmp_path / "EMOTE/M003/front/happy/level_3/001"
    tree.mkdir(parents=True)
    (tree / "shape_pose_cam.hdf5").write_bytes(b"")
    with pytest.raises(MeadError, match="convert them by ProbTalk3D's process_animation.py"):
        find_performances(tmp_path / "EMOTE")


def test_an_open_mouth_in_flames_parameters_is_one_in_coefficients(head):
    """A FLAME on the generated head, whose first component opens the mouth: its motion becomes jawOpen."""
    names = ("jawOpen", "mouthSmileLeft")
    moves = displacements(head.vertices / CENTIMETRE, names, head.anchors, head.regions == "eyeball") * CENTIMETRE
    count = len(head.vertices)
    values = {
        "v_template": head.vertices,
        "shapedirs": np.concatenate([np.zeros((300, count, 3)), moves]).transpose(1, 2, 0),
        "posedirs": np.zeros((count, 3, 36)),
        "J_regressor": np.full((5, count), 1 / count),
        "weights": np.tile(np.eye(5)[1], (count, 1)),
        "f": head.faces,
    }
    flame, source = Flame.of(values, "model"), source_face()
    regions = find_regions(trimesh.Trimesh(head.vertices, head.faces, process=False), head.landmarks)
    neutral = trimesh.Trimesh(source.neutral, source.faces, process=False)
    expressions = source.expressions[: len(SPEECH_BLENDSHAPES)]
    topology = Topology(head.faces, head.landmarks, regions.head)
    rig = rig_of(flame, neutral, expressions, source.landmarks, topology, vars(regions))
    opening = 0.4 - 0.4 * np.cos(np.linspace(0, 4 * np.pi, 40))
    performance = Performance("M003_001_happy_3", np.stack([opening, 0 * opening], 1), np.zeros((40, 3)))
    fitted = fit_performance(flame, rig, performance)
    jaw = fitted[:, SPEECH_BLENDSHAPES.index("jawOpen")]
    assert np.corrcoef(jaw, opening)[0, 1] > 0.99
    assert np.abs(np.diff(fitted, axis=0)).max() <= 0.2 + 1e-6
    with pytest.raises(ValueError, match="triangles are not the corpus's"):
        rig_of(
            flame, neutral, expressions, source.landmarks, Topology(head.faces[1:], head.landmarks, regions.head), {}
        )
