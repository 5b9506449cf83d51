"""OBJ files, vertex for vertex: every legal spelling of a mesh gives that mesh, and what cannot be read is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from said.files import obj
from said.files.meshes import parse_mesh, read_mesh

PROPERTIES = settings(max_examples=60, deadline=None, derandomize=True, database=None)
SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"


@st.composite
def meshes(draw):
    """Vertices (V, 3) and polygons on them."""
    count = draw(st.integers(3, 12))
    coordinate = st.floats(-1e3, 1e3, allow_subnormal=False)
    vertices = np.array(draw(st.lists(st.tuples(*[coordinate] * 3), min_size=count, max_size=count)))
    polygon = st.lists(st.integers(0, count - 1), min_size=3, max_size=6)
    return vertices, draw(st.lists(polygon, min_size=1, max_size=8))


@st.composite
def spelled(draw):
    """A mesh, and the text of a file that says it."""
    vertices, polygons = draw(meshes())
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    blank = draw(st.sampled_from([" ", "\t", "  "]))
    noise = ["", "# note", "  ", "o head", "g a b", "s off", "usemtl skin", "vn 0 0 1", "vt 0.5", "vt 0 1 0", "l 1 2"]
    suffixes = ["", " 1.0", " 0.1 0.2 0.3", " 1 0.1 0.2 0.3"]
    lines, written = [], 0
    for polygon in polygons:
        # Some faces stand between the vertices, right after the last of theirs.
        early = draw(st.booleans())
        while written < (max(polygon) + 1 if early else len(vertices)):
            place = blank.join(repr(float(value)) for value in vertices[written])
            lines.append(f"v{blank}{place}{draw(st.sampled_from(suffixes)).replace(' ', blank)}")
            written += 1
            lines.append(draw(st.sampled_from(noise)))
        back = draw(st.booleans())
        corner = draw(st.sampled_from(["{}", "{}/1", "{}//2", "{}/3/4", "{}/", "{}/-1/-1"]))
        words = [corner.format(index - written if back else index + 1) for index in polygon]
        fold = f"{blank}\\{end}" if draw(st.booleans()) else blank
        lines.append(f"f{blank}{fold.join(words)}{draw(st.sampled_from(['', ' ', ' # a face', '#tight']))}")
        lines.append(draw(st.sampled_from(noise)))
    while written < len(vertices):
        lines.append("v " + " ".join(repr(float(value)) for value in vertices[written]))
        written += 1
    text = end.join(lines) + draw(st.sampled_from(["", end]))
    mark = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    return vertices, polygons, mark + text.encode()


def fans(polygons):
    return [[polygon[0], *pair] for polygon in polygons for pair in zip(polygon[1:-1], polygon[2:], strict=True)]


@PROPERTIES
@given(spelled())
def test_every_spelling_gives_the_mesh(mesh):
    vertices, polygons, content = mesh
    read = parse_mesh(content, "head.obj")
    assert np.array_equal(read.vertices, vertices)
    assert read.faces.tolist() == fans(polygons)


@PROPERTIES
@given(meshes(), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["{!r}", "{:.6f}", "{:.4e}"]))
def test_the_plain_form_is_read_as_any_other(mesh, end, form):
    vertices, polygons = mesh
    rows = ["v " + " ".join(form.format(float(value)) for value in row) for row in vertices]
    faces = ["f " + " ".join(str(index + 1) for index in face) for face in fans(polygons)]
    content = end.join(["# plain", *rows, *faces, ""]).encode()
    assert obj._PLAIN.fullmatch(content)
    assert all(np.array_equal(one, other) for one, other in zip(obj.parse(content), obj._parse(content), strict=True))


@PROPERTIES
@given(spelled(), st.data())
def test_a_broken_face_or_vertex_is_refused_with_its_line(mesh, data):
    vertices, _, content = mesh
    broken = ["v 1 2", "v 1 2 x", "v 1 2 3 4 5", "v 1_0 2 3", "f 1 2", "f 1 2 0", "f 1 2 a", "f 1 2 1.5", "f 1 /2 3"]
    broken += [f"f 1 2 {len(vertices) + 2}", f"f 1 2 {-len(vertices) - 2}", "vx 1 2 3", "surf 0 1 0 1 1 2", "1 2 3"]
    line = data.draw(st.sampled_from(broken))
    with pytest.raises(ValueError, match=r"^my/head\.obj: line \d+: "):
        parse_mesh(content + b"\n" + line.encode() + b"\n", "my/head.obj")


def test_several_materials_do_not_double_vertices(tmp_path):
    path = tmp_path / "head.obj"
    path.write_text(f"mtllib head.mtl\n{SQUARE}usemtl skin\nf 1/1 2/2 3/3\nusemtl lips\nf 1/4 3/5 4/6\n")
    mesh = read_mesh(path)
    assert len(mesh.vertices) == 4 and mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]


def test_colours_are_kept_where_every_vertex_has_one():
    coloured = "".join(f"v {x} 0 {y} {x} 0.5 0\n" for x, y in ((0, 0), (1, 0), (1, 1)))
    assert obj.parse(f"{coloured}f 1 2 3\n".encode())[2].tolist() == [[0, 128, 0], [255, 128, 0], [255, 128, 0]]
    assert obj.parse(f"{coloured}v 0 0 0\nf 1 2 3\n".encode())[2] is None
    in_bytes = coloured.replace("0.5 0\n", "200 7\n")
    assert obj.parse(f"{in_bytes}f 1 2 3\n".encode())[2][0].tolist() == [0, 200, 7]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (f"{SQUARE}f 0 1 2\n", "line 5: the face names vertex 0, but OBJ counts from 1"),
        (f"{SQUARE}\nf 1 2 5\n", "line 6: the face names vertex 5, but the file has 4"),
        (f"f -1 -2 -3\n{SQUARE}", "line 1: the face names vertex -3, counted back, of 0 that stand before it"),
        (f"{SQUARE}curv2 1 2\n", "line 5: 'curv2' belongs to a free-form curve"),
        (f"{SQUARE}f 1 2 \\\n", "ends within a statement"),
        (SQUARE, "holds no triangle mesh"),
        ("", "is empty"),
        ("\0".join(SQUARE), "no text"),
    ],
)
def test_what_cannot_be_read_is_named(content, says):
    with pytest.raises(ValueError) as error:
        parse_mesh(content.encode(), "my/head.obj")
    assert str(error.value).startswith("my/head.obj: ") and says in str(error.value)
