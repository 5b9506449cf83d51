"""glTF documents: no file comes about that glTF does not allow, and none is read."""

import numpy as np
import pytest

from said.files.gltf import build_document, whole
from said.files.gltf_document import Document, read_document

TRIANGLE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0.0]])


def triangle() -> Document:
    return build_document("a", TRIANGLE, np.tile([0, 0, 1.0], (3, 1)), [whole(3, np.array([[0, 1, 2]]))])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_not_written(value, tmp_path):
    document = triangle()
    before = document.content()
    values = np.ones((3, 3), np.float32)
    values[1, 2] = value
    few = np.zeros((9, 3), np.float32)
    few[4, 0] = value
    for add, one in ((document.add, values), (document.add, values[:, 2]), (document.add_sparse, few)):
        with pytest.raises(ValueError, match="not finite"):
            add(one)
    assert document.content() == before  # what is refused leaves nothing behind
    document.tree["nodes"][0]["translation"] = [0.0, float(value), 0.0]
    with pytest.raises(ValueError, match="not finite"):
        document.write(tmp_path / "a.glb")
    assert not list(tmp_path.iterdir())


def test_a_tree_with_numbers_that_are_no_json_is_named(tmp_path):
    path = tmp_path / "a.glb"
    document = triangle()
    document.tree["nodes"][0]["extras"] = {"age": 12}
    path.write_bytes(document.content().replace(b'"age":12', b'"a":NaN '))
    with pytest.raises(ValueError, match=r"a\.glb: .*NaN.*export it again"):
        read_document(path)
