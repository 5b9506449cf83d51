"""The source face of the deformation transfer, read from its folder."""

import numpy as np
import pytest

from said.arkit import SPEECH_BLENDSHAPES
from said.corpus import read_source

TRIANGLES = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1 3 4\n"


@pytest.fixture
def folder(tmp_path):
    """A source of four vertices."""
    for number, name in enumerate(("Neutral", *SPEECH_BLENDSHAPES)):
        (tmp_path / f"{name}.obj").write_text(TRIANGLES.replace("v 0 0 1", f"v 0 0 {1 + 0.01 * number}"))
    (tmp_path / "landmarks.txt").write_text("0 1\t2\n3")
    return tmp_path


def test_expressions_come_in_the_papers_order(folder):
    neutral, expressions, landmarks = read_source(folder)
    assert neutral.faces.tolist() == [[0, 1, 2], [0, 2, 3]] and landmarks.tolist() == [0, 1, 2, 3]
    assert np.allclose(expressions[:, 3, 2], 1 + 0.01 * np.arange(1, 33))


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        ("jawOpen.obj", ("f 1 2 3", "v 9 9 9\nf 1 2 3"), "has 5 vertices, but Neutral.obj has 4"),
        ("jawOpen.obj", ("f 1 3 4\n", ""), "its triangles are not those of Neutral.obj"),
        ("jawOpen.obj", ("v 1 0 0", "v nan 0 0"), r"vertex 1 \(from 0\) is not finite"),
        ("landmarks.txt", ("3", "4"), "names vertex 4, but Neutral.obj has 4, counted from 0"),
        ("landmarks.txt", ("3", "-1"), "line 2: expected vertex indices, counted from 0, found '-1'"),
        ("landmarks.txt", ("3", "3.0"), "line 2: expected vertex indices"),
    ],
)
def test_what_does_not_belong_is_named(folder, file, change, says):
    path = folder / file
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(ValueError, match=rf"{file}: {says}"):
        read_source(folder)


def test_an_expression_in_another_unit_is_named(folder):
    large = TRIANGLES.replace(" 1\n", " 1000\n").replace("v 1 ", "v 1000 ").replace("v 0 1 ", "v 0 1000 ")
    (folder / "jawOpen.obj").write_text(large)
    with pytest.raises(ValueError, match=r"jawOpen\.obj: beside Neutral\.obj, it is 1000 times as large: millimetres"):
        read_source(folder)
