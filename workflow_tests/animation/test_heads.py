"""Heads of one's own: the same result however the file has them, every part in its place, errors by name."""

import json
import shutil

import numpy as np
import pytest
import soundfile
import trimesh
from animation.node import assert_valid
from conftest import ROOT
from PIL import Image
from scipy.spatial.distance import pdist

from said.animation import parts
from said.animation.export import write_head
from said.animation.faces import load_face
from said.animation.faces import make_face as make_own_face
from said.animation.heads import head_of
from said.animation.scene import write_animation
from said.animation.surfaces import read_head
from said.arkit import SPEECH_BLENDSHAPES
from said.commands import main
from said.deformation import flipped_faces
from said.files.gltf import Material, Piece, build_document, smooth_normals
from said.files.meshes import read_mesh
from said.landmarks import CHIN
from said.synthetic.identities import make_face, sample_identities
from said.synthetic.sculpture import sculpt

JAW_OPEN, MOUTH_CLOSE = SPEECH_BLENDSHAPES.index("jawOpen"), SPEECH_BLENDSHAPES.index("mouthClose")


def box(centre, size):
    """A part of eight vertices and twelve triangles."""
    mesh = trimesh.creation.box(size)
    return np.asarray(mesh.vertices) + centre, np.asarray(mesh.faces)


@pytest.fixture(scope="module")
def neutral(head):
    """Vertices, triangles and landmarks of a speaker with teeth, tongue and lashes, and the rows of each part."""
    speaker = make_face(head, sample_identities(3, 0)[2])
    vertices, faces = [speaker.template], [head.faces]
    marks = speaker.template[head.landmarks]
    lips = marks[60:68].mean(axis=0)
    width = np.ptp(marks[[48, 54], 0])
    rows = {}
    for name, centre, size in (
        ("upper", lips + [0, 0.006, -0.022], (0.8 * width, 0.008, 0.01)),
        ("lower", lips + [0, -0.006, -0.022], (0.8 * width, 0.008, 0.01)),
        ("tongue", lips + [0, -0.003, -0.045], (0.5 * width, 0.008, 0.04)),
        ("lashes", marks[36:42].mean(axis=0) + [0, 0.006, 0.004], (0.025, 0.001, 0.004)),
    ):
        begin = sum(map(len, vertices))
        part, triangles = box(centre, size)
        vertices.append(part)
        faces.append(triangles + begin)
        rows[name] = np.arange(begin, begin + 8)
    rows["eyes"] = np.flatnonzero(head.regions == "eyeball")
    rows["skin"] = np.flatnonzero(head.regions != "eyeball")
    return np.concatenate(vertices), np.concatenate(faces), head.landmarks, rows


@pytest.fixture(scope="module")
def made(neutral, tmp_path_factory):
    """The head as an OBJ in metres, with its landmarks beside it, and what became of it."""
    vertices, faces, landmarks, _ = neutral
    folder = tmp_path_factory.mktemp("own head")
    path = folder / "änna.obj"
    write_obj(path, vertices, faces)
    np.savetxt(folder / "änna_landmarks.txt", landmarks, "%d")
    return path, head_of(path)


def write_obj(path, vertices, faces, extra=""):
    lines = [f"v {x:.10g} {y:.10g} {z:.10g}" for x, y, z in vertices]
    lines += ["f " + " ".join(str(corner + 1) for corner in face) for face in faces]
    path.write_text("# made by a test\n" + extra + "\n".join(lines) + "\n", encoding="utf-8")


def assert_same(other, made, rows=slice(None)):
    for got, expected in ((other.neutral, made.neutral), (other.displacements, made.displacements)):
        np.testing.assert_allclose(got, expected[..., rows, :], atol=1e-6, rtol=0)


def test_every_part_moves_as_it_should(neutral, made):
    vertices, _, landmarks, rows = neutral
    _, head = made
    moves = head.displacements
    assert moves.shape == (32, len(vertices), 3)
    words = {name: set(head.parts[rows[name]].tolist()) for name in rows}
    assert words == {
        "upper": {parts.UPPER}, "lower": {parts.LOWER}, "tongue": {parts.LOWER}, "lashes": {parts.ON_SKIN},
        "eyes": {parts.EYEBALL}, "skin": {parts.SKIN},
    }  # fmt: skip
    assert not moves[:, rows["eyes"]].any() and not moves[:, rows["upper"]].any()
    for name in parts.JAW_SHAPES:
        move = moves[SPEECH_BLENDSHAPES.index(name)]
        chin = move[landmarks[CHIN]]
        for part in ("lower", "tongue"):
            mean = move[rows[part]].mean(axis=0)
            assert mean @ chin / (np.linalg.norm(mean) * np.linalg.norm(chin)) > 0.95, (name, part)
    # A rigid body: distances stay.
    before, after = vertices[rows["lower"]], vertices[rows["lower"]] + moves[JAW_OPEN, rows["lower"]]
    np.testing.assert_allclose(pdist(after), pdist(before), atol=1e-9)
    smile = moves[SPEECH_BLENDSHAPES.index("mouthSmileLeft")]
    assert not smile[rows["lower"]].any()
    squint = moves[SPEECH_BLENDSHAPES.index("cheekSquintRight")]
    assert np.linalg.norm(squint[rows["lashes"]], axis=1).max() > 1e-4
    # The neck's lowest rim stands still, and is there.
    lowest = np.argsort(vertices[:, 1])[:20]
    assert not np.abs(moves[:, lowest]).max() > 1e-4


def test_no_triangle_turns_over_at_the_corners_of_the_mouth(neutral, made):
    vertices, faces, landmarks, _ = neutral
    shapes = vertices + made[1].displacements
    shapes[MOUTH_CLOSE] += made[1].displacements[JAW_OPEN]
    centres = vertices[faces].mean(axis=1)
    near = np.linalg.norm(centres[:, None] - vertices[landmarks[[48, 54]]], axis=2).min(axis=1) < 0.012
    assert near.sum() > 20
    assert not flipped_faces(vertices, faces[near], shapes).any()


@pytest.mark.parametrize(
    ("name", "scale", "axes"),
    [
        ("centimetres", 100, np.eye(3)),
        ("z up", 1, np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0.0]])),
        ("centimetres, z up", 100, np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0.0]])),
    ],
)
def test_units_and_axes_do_not_matter(name, scale, axes, neutral, made, tmp_path):
    """Not even to the Khronos validator: the sixth of its faces, see test_scene.py."""
    vertices, faces, landmarks, _ = neutral
    path = tmp_path / "head.obj"
    write_obj(path, scale * vertices @ axes.T, faces)
    head = head_of(path, landmarks)
    assert_same(head.face, made[1].face)
    np.testing.assert_allclose(head.displacements, scale * made[1].displacements @ axes.T, atol=1e-6 * scale)
    assert head.report["unit"] == ("centimetres" if scale == 100 else "metres")
    for number, frames in enumerate((1, 10)):
        write_animation(tmp_path / f"{number}.glb", head.face, np.random.default_rng(0).random((frames, 32)), 60)
    assert_valid(tmp_path / "0.glb", tmp_path / "1.glb")


def test_seams_and_materials_of_a_glb_do_not_matter(neutral, made, tmp_path):
    vertices, faces, landmarks, _ = neutral
    left = vertices[faces].mean(axis=1)[:, 0] > 0
    pieces, order = [], []
    for number, own in enumerate((left, ~left)):
        used, places = np.unique(faces[own], return_inverse=True)
        pieces.append(Piece(used, places.reshape(-1, 3), np.random.default_rng(0).random((len(used), 2)), number))
        order.append(used)
    rows = np.concatenate(order)
    document = build_document("Kopf", vertices, smooth_normals(vertices, faces), pieces, [Material("a"), Material("b")])
    path = tmp_path / "head.glb"
    document.write(path)
    points = vertices[landmarks]
    np.savetxt(tmp_path / "head_landmarks.txt", points)
    face = load_face(path)
    assert_same(face, made[1].face, rows)
    # What two vertices of a seam share, they share to the last bit.
    first = {}
    for place, row in enumerate(rows):
        assert np.array_equal(face.displacements[:, place], face.displacements[:, first.setdefault(row, place)])
    assert face.document.buffer.startswith(document.buffer)
    for frames in (1, 10):
        write_animation(tmp_path / "a.glb", face, np.random.default_rng(0).random((frames, 32)), 60)
        assert_valid(tmp_path / "a.glb")
    again = load_face(tmp_path / "a.glb")
    np.testing.assert_allclose(again.displacements, face.displacements, atol=2e-7)


def test_the_folder_differs_from_the_file_in_v_lines_alone(neutral, made, tmp_path):
    path, head = made
    write_head(tmp_path / "änna", head)
    names = {file.name for file in (tmp_path / "änna").iterdir()}
    assert names == {"head.glb", "neutral.obj", "sheet.png", "report.json", *(f"{n}.obj" for n in SPEECH_BLENDSHAPES)}
    original = path.read_bytes()
    assert (tmp_path / "änna/neutral.obj").read_bytes() == original
    moved = (tmp_path / "änna/jawOpen.obj").read_bytes().splitlines()
    differing = [old for old, new in zip(original.splitlines(), moved, strict=True) if old != new]
    assert differing and all(line.startswith(b"v ") for line in differing)
    shape = read_mesh(tmp_path / "änna/jawOpen.obj")
    np.testing.assert_allclose(shape.vertices, neutral[0] + head.displacements[JAW_OPEN], atol=1e-8)
    assert_valid(tmp_path / "änna/head.glb")
    assert json.loads((tmp_path / "änna/report.json").read_text())["unit"] == "metres"


def test_landmarks_are_checked_by_name(neutral, made, tmp_path):
    vertices, faces, landmarks, rows = neutral
    from said.landmarks import MIRROR

    path = tmp_path / "head.obj"
    shutil.copy(made[0], path)
    cases = [
        (landmarks[MIRROR], "mirrored"),
        (np.random.default_rng(0).permutation(landmarks), "as on no face"),
        (landmarks + len(vertices), "outside"),
        (vertices[landmarks] + [0, 0, 0.04], "off the skin"),
        (landmarks[:60], "68"),
    ]
    for marks, reason in cases:
        with pytest.raises(ValueError, match=reason) as raised:
            head_of(path, marks)
        assert "head.obj" in str(raised.value)
    with pytest.raises(ValueError, match="head_landmarks.txt"):
        head_of(path)
    (tmp_path / "head_landmarks.txt").write_text("1\n2\nthree\n")
    with pytest.raises(ValueError, match="line 3"):
        head_of(path)


def test_a_face_without_a_mouth_opening_is_named(neutral, tmp_path):
    vertices, faces, landmarks, rows = neutral
    skin = faces[np.isin(faces, rows["skin"]).all(axis=1)]
    # The lips become one surface: their edges are joined by triangles across.
    upper, lower = landmarks[[61, 62, 63]], landmarks[[67, 66, 65]]
    bridge = [[upper[i], lower[i], upper[i + 1]] for i in range(2)]
    bridge += [[lower[i], lower[i + 1], upper[i + 1]] for i in range(2)]
    write_obj(tmp_path / "head.obj", vertices, np.concatenate([skin, bridge]))
    with pytest.raises(ValueError, match="mouth opening"):
        head_of(tmp_path / "head.obj", landmarks)


@pytest.fixture(scope="module")
def anna(head, tmp_path_factory):
    """A folder with heads/anna.obj, a head of a few hundred vertices, and its landmarks."""
    folder = tmp_path_factory.mktemp("anna")
    coarse = sculpt(3, coarseness=3.6, mouth_count=16, eye_count=12, ear_count=8)
    skin = coarse.faces[(coarse.regions != "eyeball")[coarse.faces].all(axis=1)]
    used, places = np.unique(skin, return_inverse=True)
    assert len(used) < 660
    (folder / "heads").mkdir()
    write_obj(folder / "heads/anna.obj", coarse.vertices[used] / 100, places.reshape(-1, 3))
    np.savetxt(folder / "heads/anna_landmarks.txt", head.vertices[head.landmarks])
    return folder


def test_a_head_of_a_few_hundred_vertices_works_as_the_page_says(anna, monkeypatch):
    monkeypatch.chdir(anna)
    page = (ROOT / "docs/own.md").read_text().split("## From Python")[1]
    program = "\n".join(line[4:] for line in page.splitlines() if line.startswith("    "))
    opened = np.zeros((2, 32))
    opened[1, JAW_OPEN] = 1
    names = {"coefficients": opened}
    exec(program + "\nmoved = head.face.move(coefficients)", names)
    head, moved = names["head"], names["moved"]
    assert head.displacements.shape == (32, len(moved[0]), 3)
    assert 0.02 < np.linalg.norm(moved[1] - moved[0], axis=1).max() < 0.06


def test_a_face_that_is_brought_gets_a_folder_through_the_prompt(anna, tmp_path, capsys):
    soundfile.write(tmp_path / "a.wav", 0.1 * np.sin(np.arange(8000) * 0.1), 16000)
    arguments = ["--steps", "1", "--formats", "coefficients,glb"]
    face = ["--face", str(anna / "heads/anna.obj")]
    assert main(["animate", str(tmp_path / "a.wav"), "--out", str(tmp_path / "out"), *face, *arguments]) == 0
    assert "read as metres" in capsys.readouterr().out
    made = {path.name for path in (tmp_path / "out/faces/anna").iterdir()}
    assert {"head.glb", "sheet.png", "report.json", "neutral.obj", "jawOpen.obj"} <= made
    # What came out goes in again, and is used as it is.
    face = ["--face", str(tmp_path / "out/faces/anna/head.glb")]
    assert main(["animate", str(tmp_path / "a.wav"), "--out", str(tmp_path / "again"), *face, *arguments]) == 0
    assert json.loads((tmp_path / "again/faces/head/report.json").read_text())["moved_by"] == [*SPEECH_BLENDSHAPES]
    one, other = (load_face(tmp_path / name / "a/animation.glb") for name in ("out", "again"))
    assert np.array_equal(one.displacements, other.displacements)


def test_pictures_come_along_and_missing_ones_are_noted(anna, tmp_path):
    heads = tmp_path / "heads"
    shutil.copytree(anna / "heads", heads)
    (heads / "textures").mkdir()
    for picture in (heads / "textures/skin 1.png", tmp_path / "lips.png"):
        Image.new("RGB", (2, 2)).save(picture)
    library = "newmtl Skin #1\nmap_Kd textures\\skin 1.png\nnewmtl lips\nmap_Kd ..\\lips.png\n"
    (heads / "anna.mtl").write_text(library + f"newmtl ears\nmap_Kd {tmp_path}/lips.png\nnewmtl a\nmap_Kd gone.png\n")
    vertices, *faces = (heads / "anna.obj").read_text().partition("f ")
    used = "".join(f"usemtl {name}\nf 1 2 3\n" for name in ("Skin #1", "lips", "ears", "a"))
    (heads / "anna.obj").write_text(f"{vertices}mtllib .\\anna.mtl\n{used}{''.join(faces)}")
    head = head_of(heads / "anna.obj")
    write_head(tmp_path / "faces/anna", head)
    assert {"anna.mtl", "lips.png"} < {path.name for path in (tmp_path / "faces/anna").iterdir()}
    again = read_head(tmp_path / "faces/anna/neutral.obj")
    assert [material.picture is not None for material in again.materials] == [True, True, True, False]
    noted = json.loads((tmp_path / "faces/anna/report.json").read_text())["notes"]
    assert list(head.face.notes) == noted and noted[0] == "read as metres"
    assert len(noted) == 2 and "gone.png" in noted[1]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_do_not_matter(end, anna, tmp_path):
    text = (anna / "heads/anna.obj").read_text().replace("f ", "vt 0.5 0.5\nusemtl a\nf ", 1)
    path = tmp_path / "anna.obj"
    path.write_bytes(b"\xef\xbb\xbf" + text.removeprefix("# made by a test\n").replace("\n", end).encode())
    shutil.copy(anna / "heads/anna_landmarks.txt", tmp_path)
    write_head(tmp_path / "out", head_of(path))
    assert (tmp_path / "out/neutral.obj").read_bytes() == path.read_bytes()
    lines, moved = (
        path.read_bytes().split(end.encode()),
        (tmp_path / "out/jawOpen.obj").read_bytes().split(end.encode()),
    )
    differing = [old for old, new in zip(lines, moved, strict=True) if old != new]
    assert differing and all(line.removeprefix(b"\xef\xbb\xbf").startswith(b"v ") for line in differing)


def test_a_landmark_that_is_no_number_is_named_by_its_line_or_place(anna):
    path = anna / "heads/anna.obj"
    points = np.loadtxt(anna / "heads/anna_landmarks.txt")
    for row, text in ((2, "nan"), (3, "12.5"), (4, "inf 0 0"), (5, "0 nan 0")):
        whole = [str(value) for value in range(68)] if " " not in text else [" ".join(map(str, p)) for p in points]
        marks = anna / "marks.txt"
        marks.write_text("\n".join([*whole[:row], text, *whole[row + 1 :]]))
        with pytest.raises(ValueError) as raised:
            head_of(path, marks)
        assert f"anna.obj: marks.txt: line {row + 1}: {text!r} is neither" in str(raised.value)
    for value in (np.nan, 12.5):
        with pytest.raises(ValueError, match=f"landmark 7 is {value}"):
            head_of(path, [value if place == 7 else place for place in range(68)])
    points[9, 1] = np.nan
    with pytest.raises(ValueError, match="landmark 9 is "):
        head_of(path, points)


def test_landmarks_that_are_not_there_are_named_with_the_option(anna, tmp_path):
    for wanted, fault in ((tmp_path / "gone.txt", "not there"), (tmp_path, "a folder")):
        with pytest.raises(ValueError) as raised:
            head_of(anna / "heads/anna.obj", wanted)
        assert f"landmarks: {wanted} is {fault}; name a text file" in str(raised.value)


def test_targets_of_other_names_are_listed(neutral, tmp_path):
    vertices, faces, _, _ = neutral
    names = tuple(f"smirk{place}" for place in "abcd")
    make_own_face("Kopf", vertices, faces, names, np.full((4, *vertices.shape), 0.01), None).document.write(
        tmp_path / "head.glb"
    )
    with pytest.raises(ValueError, match=r"\(but 'smirka', 'smirkb', 'smirkc', \.\.\.\), and no landmarks"):
        load_face(tmp_path / "head.glb")
