"""PLY files, vertex for vertex, in text and both byte orders, with faces of any mixture of corners."""

import re
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from said.files.meshes import parse_mesh, read_mesh

PROPERTIES = settings(max_examples=60, deadline=None, derandomize=True, database=None)
FORMATS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
CODES = {"char": "b", "uchar": "B", "short": "h", "ushort": "H", "int": "i", "uint": "I", "float": "f", "double": "d"}
MODERN = {"uchar": "uint8", "short": "int16", "int": "int32", "uint": "uint32", "float": "float32", "double": "float64"}


@st.composite
def spelled(draw):
    """Vertices, polygons, colours or None, the bytes of a file that says them, and where its header ends."""
    form = draw(st.sampled_from(list(FORMATS)))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    real = draw(st.sampled_from(["float", "double"]))
    count = draw(st.integers(3, 9))
    coordinate = st.floats(-1e3, 1e3, width=32 if real == "float" else 64)
    vertices = draw(st.lists(st.tuples(*[coordinate] * 3), min_size=count, max_size=count))
    polygons = draw(st.lists(st.lists(st.integers(0, count - 1), min_size=3, max_size=6), min_size=1, max_size=7))
    coloured, more = draw(st.booleans()), draw(st.booleans())
    colours = [draw(st.tuples(*[st.integers(0, 255)] * 3)) for _ in range(count)] if coloured else None

    vertex = [("x", real), ("y", real), ("z", real)] + [
        (name, "uchar") for name in ("red", "green", "blue") if coloured
    ]
    rows = [(*place, *(colours[number] if coloured else ())) for number, place in enumerate(vertices)]
    if more:  # what other programs add, before the coordinates too
        vertex, rows = [("quality", "short"), *vertex], [(7, *row) for row in rows]
    length, index = draw(st.sampled_from(["uchar", "int"])), draw(st.sampled_from(["int", "uint", "uchar"]))
    face = [(draw(st.sampled_from(["vertex_indices", "vertex_index"])), (length, index))]
    faces = [(polygon,) for polygon in polygons]
    if more:
        face, faces = [("flags", "uchar"), *face, ("uv", ("uchar", "float"))], [(1, *row, [0.5] * 6) for row in faces]
    elements = [("vertex", vertex, rows), ("face", face, faces), ("edge", [("a", "int"), ("b", "int")], [(0, 1)])]
    elements = elements if draw(st.booleans()) else [elements[2], elements[1], elements[0]]

    names = MODERN if draw(st.booleans()) else {}
    header = ["ply", f"format {form} 1.0", "comment made up"]
    body = b""
    for name, properties, records in elements:
        header.append(f"element {name} {len(records)}")
        for label, kind in properties:
            kinds = [names.get(one, one) for one in (kind if isinstance(kind, tuple) else (kind,))]
            header.append(" ".join(["property", *(["list"] if len(kinds) == 2 else []), *kinds, label]))
        for record in records:
            body += _record(record, [kind for _, kind in properties], FORMATS[form], end)
    head = end.join([*header, "end_header", ""]).encode()
    return vertices, polygons, colours, head + body, len(head)


def _record(values, kinds, order, end):
    if not order:
        flat = [repr(x) for value in values for x in ([len(value), *value] if isinstance(value, list) else [value])]
        return (" ".join(flat) + end).encode()
    packed = b""
    for value, kind in zip(values, kinds, strict=True):
        if isinstance(kind, tuple):
            packed += struct.pack(order + CODES[kind[0]], len(value))
            packed += struct.pack(order + CODES[kind[1]] * len(value), *value)
        else:
            packed += struct.pack(order + CODES[kind], value)
    return packed


@PROPERTIES
@given(spelled())
def test_every_spelling_gives_the_mesh(file):
    vertices, polygons, colours, content, _ = file
    mesh = parse_mesh(content, "head.ply")
    assert mesh.vertices.tolist() == [list(place) for place in vertices]
    fans = [[polygon[0], *pair] for polygon in polygons for pair in zip(polygon[1:-1], polygon[2:], strict=True)]
    assert mesh.faces.tolist() == fans
    assert (mesh.visual.kind == "vertex") == (colours is not None)
    if colours is not None:
        assert mesh.visual.vertex_colors[:, :3].tolist() == [list(colour) for colour in colours]


@PROPERTIES
@given(spelled(), st.data())
def test_a_file_that_is_cut_off_is_named(file, data):
    content, header = file[3], file[4]
    # A text file may lose its last line's end, or the last digits of its last number, and be one still.
    binary = b"format ascii" not in content
    last = len(content) - 1 if binary else max(content.rstrip().rfind(b" "), header)
    with pytest.raises(ValueError, match=r"^my/head\.ply: .*ends (before|within)"):
        parse_mesh(content[: data.draw(st.integers(0, last))], "my/head.ply")


BROKEN = {
    r"format \w+ 1\.0": ["format text 1.0", "format ascii 2.0", "comment no format", "format ascii"],
    r"element vertex \d+": ["element vertex", "element vertex -3", "element vertex 3.0", "element edge 3", "vertex 3"],
    r"property \w+ x": ["property real x", "property float", "property float y", "property list uchar float x"],
    r"element face \d+": ["element face many", "element vertex 2", "property float face", "face"],
    r"property list (?=\w+ \w+ vertex_ind)": ["property list float ", "property list uchar ", "property lists "],
    r"end_header": ["end_headers", "comment end_header"],
}


@PROPERTIES
@given(spelled(), st.sampled_from([(line, other) for line, others in BROKEN.items() for other in others]))
def test_a_header_that_is_none_is_refused(file, change):
    content, header = file[3], file[4]
    broken = re.sub(change[0].encode(), change[1].encode(), content[:header], count=1)
    with pytest.raises(ValueError, match=r"^my/head\.ply: "):
        parse_mesh(broken + content[header:], "my/head.ply")


@PROPERTIES
@given(spelled(), st.sampled_from([b"\x01\x02\x03", b" 5 "]))
def test_more_than_the_header_says_is_refused(file, more):
    with pytest.raises(ValueError, match=r"^my/head\.ply: holds \d+ (bytes|values) more than its header says"):
        parse_mesh(file[3] + more, "my/head.ply")


SQUARE = "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
FACES = "property list uchar int vertex_indices\nend_header\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (f"{SQUARE}element face 1\n{FACES}3 0 1 4\n", "face 0 (from 0) names vertex 4; the file has 4, counted from 0"),
        (f"{SQUARE}element face 1\n{FACES}3 0 1 -1\n", "face 0 (from 0) names vertex -1"),
        (f"{SQUARE}element face 2\n{FACES}3 0 1 2\n2 0 1\n", "face 1 (from 0) has 2 corners"),
        (f"{SQUARE}element face 1\n{FACES}3 0 1 1.5\n", "is no number of the type"),
        (f"{SQUARE}element face 0\n{FACES}", "holds no triangle mesh"),
        (f"{SQUARE}element tristrips 1\n{FACES}4 0 1 2 3\n", "holds triangle strips"),
        (f"{SQUARE.replace('float z', 'float w')}element face 1\n{FACES}3 0 1 2\n", "its vertices have no z"),
        (SQUARE.replace("vertex 4", "vertex 99999999999999"), "ends within its header"),
        (f"{SQUARE}element face 1\n{FACES.replace('uchar int ', '')}3 0 1 2\n", "is no line of a PLY header"),
        (f"{SQUARE.replace('vertex 4', 'vertex 99999999999999')}element face 1\n{FACES}3 0 1 2\n", "ends before"),
        ("solid head\n", "does not begin as a PLY file"),
    ],
)
def test_what_cannot_be_read_is_named(content, says):
    with pytest.raises(ValueError) as error:
        parse_mesh(content.encode(), "my/head.ply")
    assert str(error.value).startswith("my/head.ply: ") and says in str(error.value)


def test_the_published_template_is_as_it_was(official):
    mesh = read_mesh(official / "FLAME_sample.ply")
    content = (official / "FLAME_sample.ply").read_bytes()
    begin = content.index(b"end_header\n") + len(b"end_header\n")
    assert np.array_equal(mesh.vertices, np.frombuffer(content, "<f4", 3 * 5023, begin).reshape(-1, 3))
    records = np.frombuffer(content, [("n", "u1"), ("corners", "<i4", 3)], 9976, begin + 12 * 5023)
    assert np.array_equal(mesh.faces, records["corners"])
