"""TensorFlow's files without TensorFlow: what its own programs wrote, what is written here byte by byte, and damage."""

import struct

import numpy as np
import pytest
from tensorflow_files import constant, crc, entry, number, table, tensor, text, write_checkpoint, write_graph

from said.files.tensorflow import read_checkpoint, read_constants

RNG = np.random.default_rng(0)
VARIABLES = {
    "a/weights": RNG.normal(size=(3, 1, 4, 2)).astype(np.float32),
    "a/biases": RNG.normal(size=5).astype(np.float32),
    "a/biases/Adam": RNG.normal(size=5).astype(np.float64),
    "b/half": RNG.normal(size=(2, 2)).astype(np.float16),
    "b/step": np.array(7, np.int64),
    "b/small": np.array([[1], [-2]], np.int32),
    "b/flags": np.array([True, False]),
    "empty": np.zeros((0, 3), np.float32),
    **{f"many/{place:03d}": np.full(place % 4, place, np.float32) for place in range(40)},
}


def test_a_checkpoint_of_tensorflow_is_read_bit_for_bit(official):
    golden = np.load(official / "golden/voca_golden.npz")
    variables = read_checkpoint(official / "golden/voca_gstep_3.model")
    final = {name.removeprefix("final/"): golden[name] for name in golden.files if name.startswith("final/")}
    assert len(variables) == 53 and final.keys() <= variables.keys()
    for name, expected in final.items():
        assert variables[name].dtype == expected.dtype and np.array_equal(variables[name], expected), name


@pytest.mark.parametrize("shards", [1, 3])
def test_types_shapes_and_files_of_all_kinds(tmp_path, shards):
    write_checkpoint(tmp_path / "model", VARIABLES, shards)
    variables = read_checkpoint(tmp_path / "model")
    assert variables.keys() == VARIABLES.keys()
    for name, expected in VARIABLES.items():
        assert variables[name].dtype == expected.dtype and variables[name].shape == expected.shape, name
        assert np.array_equal(variables[name], expected), name
        assert variables[name].flags.writeable


def test_only_what_is_wanted_is_looked_at(tmp_path):
    write_checkpoint(tmp_path / "model", VARIABLES)
    data = tmp_path / "model.data-00000-of-00001"
    data.write_bytes(b"?" + data.read_bytes()[1:])  # in a/biases, the first by name
    with pytest.raises(ValueError, match="a/biases"):
        read_checkpoint(tmp_path / "model")
    wanted = read_checkpoint(tmp_path / "model", lambda name: name.startswith("many/"))
    assert len(wanted) == 40


def test_the_sum_is_crc_32c():
    unmasked = (crc(b"123456789") - 0xA282EAD8) & 0xFFFFFFFF
    assert (unmasked >> 17 | unmasked << 15) & 0xFFFFFFFF == 0xE3069283


@pytest.mark.parametrize("file", ["model.index", "model.data-00000-of-00001"])
def test_no_flipped_bit_and_no_cut_goes_unnoticed(tmp_path, file):
    write_checkpoint(
        tmp_path / "model", {name: VARIABLES[name] for name in ("a/weights", "a/biases", "b/half", "b/step")}
    )
    path = tmp_path / file
    content = path.read_bytes()
    damaged = [content[:length] for length in range(0, len(content), 3)]
    damaged += [content[:i] + bytes([content[i] ^ 1 << i % 8]) + content[i + 1 :] for i in range(len(content))]
    for change in damaged:
        path.write_bytes(change)
        with pytest.raises(ValueError) as raised:
            read_checkpoint(tmp_path / "model")
        assert str(tmp_path / "model.") in str(raised.value)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"crc": 1}, "sum of one"),
        ({"size": 16}, "one has 16 bytes"),
        ({"offset": 4}, "ends before one"),
        ({"offset": 2**62}, "ends before one"),
        ({"offset": 2**64 - 8}, "file 0 of 1, from byte -8"),
        ({"shard": 1}, "file 1 of 1"),
        ({"dtype": 7}, "type 7"),
    ],
)
def test_entries_that_do_not_fit_are_named(tmp_path, changed, named):
    write_checkpoint(tmp_path / "model", {"one": np.ones(5, np.float32)}, **changed)
    with pytest.raises(ValueError, match=f"model.*{named}"):
        read_checkpoint(tmp_path / "model")


HEADER = (b"", number(1, 1))
ONE = (b"one", entry(np.ones(2, np.float32), 0, 0))


@pytest.mark.parametrize(
    ("index", "named"),
    [
        (b"", "does not end as one does"),
        (b"an index of something else, and as long as a footer has to be", "does not end as one does"),
        (table([ONE]), "no header"),
        (table([(b"", number(1, 0)), ONE]), "0 files"),
        (table([(b"", number(1, 1) + number(2, 1)), ONE]), "byte order 1"),
        (table([HEADER, ONE], kind=1), "compressed"),
        (table([HEADER, ONE, ONE]), "keys do not rise"),
        (table([HEADER, (b"one", b"\xff\xff")]), "cannot be read"),
        (table([HEADER, (b"\xff", ONE[1])]), "cannot be read"),
        (table([HEADER, (b"one", ONE[1] + text(7, b""))]), "slices"),
        (table([HEADER, (b"one", number(1, 1) + text(2, text(2, number(1, 2**64 - 1))))]), "shape"),
        (table([HEADER, (b"one", number(1, 1) + text(2, text(2, number(1, 2**40)) * 2))]), "shape"),
        (b"\xff" * 40 + struct.pack("<Q", 0xDB4775248B80FB57), "no end"),
        (bytes([200, 1, 200, 1, 200, 1, 200, 1]).ljust(40, b"\0") + bytes.fromhex("57fb808b247547db"), "outside"),
    ],
)  # fmt: skip
def test_other_indices_are_refused_by_name(tmp_path, index, named):
    (tmp_path / "model.index").write_bytes(index)
    (tmp_path / "model.data-00000-of-00001").write_bytes(bytes(8))
    with pytest.raises(ValueError, match=f"model.index.*{named}"):
        read_checkpoint(tmp_path / "model")


def test_files_that_are_not_there_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="model.index"):
        read_checkpoint(tmp_path / "model")
    write_checkpoint(tmp_path / "model", VARIABLES)
    (tmp_path / "model.data-00000-of-00001").unlink()
    with pytest.raises(FileNotFoundError, match="model.data-00000-of-00001"):
        read_checkpoint(tmp_path / "model")
    with pytest.raises(FileNotFoundError, match="graph.pb"):
        read_constants(tmp_path / "graph.pb")


def test_a_graph_of_tensorflow_is_read(official):
    constants = read_constants(official / "golden/voca_deepspeech_graph.pb")
    sizes = {name: value.shape for name, value in constants.items() if value.ndim and value.dtype == np.float32}
    assert (
        len(sizes) == 14
        and sizes["h1"] == (494, 12)
        and sizes["bidirectional_rnn/bw/basic_lstm_cell/kernel"] == (36, 48)
    )
    assert constants["Minimum/y"] == 20.0 and constants["Minimum/y"].shape == ()
    assert constants["transpose/perm"].tolist() == [1, 0, 2]


def test_constants_of_all_kinds(tmp_path):
    write_graph(tmp_path / "graph.pb", VARIABLES)
    constants = read_constants(tmp_path / "graph.pb")
    assert constants.keys() == VARIABLES.keys() - {name for name, value in VARIABLES.items() if value.size == 0}
    for name, value in constants.items():
        assert value.dtype == VARIABLES[name].dtype and np.array_equal(value, VARIABLES[name]), name


def floats(*values: float) -> bytes:
    return text(5, struct.pack(f"<{len(values)}f", *values))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (number(1, 1) + text(2, text(2, number(1, 3)) * 2) + floats(2.5), np.full((3, 3), 2.5)),
        (number(1, 1) + text(2, text(2, number(1, 3))) + floats(1, 2, 3), np.array([1.0, 2, 3])),
        (number(1, 1) + floats(4), np.array(4.0)),
    ],
)
def test_numbers_that_are_written_as_floats(tmp_path, value, expected):
    (tmp_path / "graph.pb").write_bytes(constant("one", value))
    assert np.array_equal(read_constants(tmp_path / "graph.pb")["one"], expected)


NODE = constant("one", tensor(np.ones(3, np.float32)))


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "no nodes"),
        (b"this is a text, and no graph", "cannot be read"),
        (NODE[:-2], "cannot be read"),
        (NODE + NODE, "'one' is empty or given twice"),
        (text(1, text(1, "one")), "does nothing"),
        (text(1, text(1, "one") + text(2, "Const")), "one has 0 values"),
        (constant("one", tensor(np.ones(3, np.float32), sizes=[4])), "one has 12 bytes"),
        (constant("one", tensor(np.ones(3, np.float32), sizes=[2**62, 2**62])), "shape"),
        (constant("one", tensor(np.ones(3, np.float32), sizes=[2**64 - 1])), "shape"),
        (constant("one", tensor(np.ones(3, np.float32), dtype=2)), "one has 12 bytes"),
        (constant("one", number(1, 1) + text(2, text(2, number(1, 3))) + floats(1, 2)), "one has 2 numbers"),
        (constant("one", number(1, 1) + text(2, text(2, number(1, 2**30))) + floats(1)), "one has 1 numbers"),
    ],
)
def test_other_graphs_are_refused_by_name(tmp_path, content, named):
    (tmp_path / "graph.pb").write_bytes(content)
    with pytest.raises(ValueError, match=f"graph.pb.*{named}"):
        read_constants(tmp_path / "graph.pb")


def test_what_is_no_number_is_left_out(tmp_path):
    words = constant("words", number(1, 7) + text(8, "hello"))
    (tmp_path / "graph.pb").write_bytes(words + NODE)
    assert list(read_constants(tmp_path / "graph.pb")) == ["one"]
