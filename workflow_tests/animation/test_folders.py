"""Folders of OBJs as faces: unit, axes and which file is which."""

from itertools import permutations, product

import numpy as np
import pytest

from said.animation.faces import load_face
from said.files.meshes import write_mesh

TURNS = [np.eye(3)[list(order)] * signs for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]
TURNS = [turn for turn in TURNS if np.linalg.det(turn) > 0]


@pytest.fixture(scope="module")
def own():
    return load_face(None)


def write_folder(folder, face, turn=None, scale=1.0, names=("jawOpen",)):
    """The folder of a face, whose coordinates are `turn` @ those of the face."""
    folder.mkdir()
    turn = scale * (np.eye(3) if turn is None else turn)
    write_mesh(folder / "neutral.obj", face.neutral @ turn.T, face.faces)
    for name in names:
        write_mesh(
            folder / f"{name}.obj", (face.neutral + face.displacements[face.names.index(name)]) @ turn.T, face.faces
        )
    return folder


def test_a_folder_with_another_axis_up_is_turned_and_says_so(own, tmp_path):
    for number, turn in enumerate(TURNS):
        face = load_face(write_folder(tmp_path / str(number), own, turn, 100))
        assert face.notes[0] == "read as centimetres"
        if turn[1, 1] == 1:  # y is up: it stays as it is
            assert len(face.notes) == 1
            expected = own.neutral @ turn.T
        else:
            assert len(face.notes) == 2 and "turned: its up was" in face.notes[1]
            expected = own.neutral
        np.testing.assert_allclose(face.neutral, expected, atol=1e-7)
        np.testing.assert_allclose(
            face.displacements[0],
            own.displacements[own.names.index("jawOpen")] @ (turn.T if turn[1, 1] == 1 else np.eye(3)),
            atol=1e-7,
        )


def test_the_note_names_the_axes(own, tmp_path):
    blender = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0.0]])
    assert load_face(write_folder(tmp_path / "a", own, blender)).notes[1] == "turned: its up was z, its forward -y"


def test_a_whole_body_and_a_face_without_jaw_open_stay_as_they_are(own, tmp_path):
    feet = own.neutral - [0, 1.5, 0]
    both = np.concatenate([own.neutral, feet])
    folder = tmp_path / "body"
    folder.mkdir()
    faces = np.concatenate([own.faces, own.faces + len(feet)])
    write_mesh(folder / "neutral.obj", both, faces)
    both[: len(feet)] += own.displacements[own.names.index("jawOpen")]
    write_mesh(folder / "jawOpen.obj", both, faces)
    assert load_face(folder, unit="metres").notes == ("read as metres",)
    without = write_folder(tmp_path / "without", own, TURNS[1], names=("mouthPucker",))
    assert load_face(without).notes == ("read as metres",)


def test_a_folder_of_no_unit_is_named(own, tmp_path):
    folder = write_folder(tmp_path / "big", own, scale=12)
    with pytest.raises(ValueError) as raised:
        load_face(folder)
    assert str(raised.value).startswith(f"{folder}: of the longest side of neutral.obj, ")
    assert str(raised.value).endswith("name the unit")
    assert load_face(folder, unit="metres").notes == ("read as metres",)
