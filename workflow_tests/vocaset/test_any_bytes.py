"""Archives and pickles of any bytes: read as they are, or refused by the reader's own error with the file's name."""

import io
import pickle
import pickletools
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from release import python2_pickle

from said.vocaset import archives, tables, unpickle
from said.vocaset.archives import ArchiveError, LimitError
from said.vocaset.unpickle import UnpickleError

QUICK = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
numbers = arrays(st.sampled_from(["<i2", "<f4", "<f8", ">i4", "u1", "?", "<c8"]), st.tuples(*[st.integers(0, 3)] * 2))
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=12,
)
SEEDS = [
    *(
        pickle.dumps({"a": np.arange(6.0).reshape(2, 3), "b": [1, "x", (2, {3})], "c": np.float32(1)}, p)
        for p in range(6)
    ),
    python2_pickle({"A": {"sentence01": {"audio": np.arange(9, dtype=np.int16), "sample_rate": 22000}}}),
    python2_pickle({"A": {"sentence01": {0: 0, 1: 1}}}),
    python2_pickle({"A": np.zeros((4, 3))}),
]
OPERATIONS = [operation.code.encode("latin1") for operation in pickletools.opcodes]


def packed(method: int) -> bytes:
    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
        for name, content in {"x/a.txt": b"a" * 500, "x/b/c.bin": bytes(range(256)), "x/d": b""}.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


ARCHIVES = [packed(method) for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)]


@st.composite
def mutated(draw, seeds: list[bytes]) -> bytes:
    """One of the seeds with some bytes changed, left out, repeated or put in."""
    content = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(content)))
        end = min(len(content), place + draw(st.sampled_from([0, 1, 1, 2, 4, 8, 40])))
        content[place:end] = draw(st.binary(max_size=8) | st.just(bytes(content[place:end]) * 2))
    return bytes(content)


def peak_of(action) -> int:
    """Bytes of memory that an action takes at most."""
    tracemalloc.start()
    try:
        action()
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


@QUICK
@given(content=plain | numbers | st.dictionaries(st.text(), numbers), protocol=st.integers(0, 5))
def test_whatever_plain_is_pickled_comes_back(content, protocol):
    back = unpickle.load(io.BytesIO(pickle.dumps(content, protocol)), "x.pkl")
    np.testing.assert_equal(back, content)


@QUICK
@given(
    content=mutated(SEEDS)
    | st.binary(max_size=200)
    | st.lists(st.sampled_from(OPERATIONS) | st.binary(max_size=3), max_size=40).map(b"".join)
)
@example(b"\x80\x02Nr\xff\xff\xff\x01.")
@example(b"\x80\x04\x8c\x08builtins\x8c\x05bytes\x93J\xff\xff\xff\x7f\x85R.")
def test_any_bytes_are_a_pickle_or_refused_by_name(content):
    def read():
        for reader in (unpickle.load, tables.rows, tables.speech, tables.templates):
            try:
                reader(io.BytesIO(content), "some.pkl")
            except (UnpickleError, ArchiveError) as error:
                assert str(error).startswith("some.pkl: ")

    assert peak_of(read) < 2**22 + 500 * len(content)


@QUICK
@given(
    members=st.dictionaries(st.text("abc", min_size=1, max_size=3), st.binary(max_size=400), max_size=5),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]),
    comment=st.binary(max_size=30),
)
def test_whatever_is_packed_comes_back(tmp_path_factory, members, method, comment):
    path = tmp_path_factory.mktemp("any", numbered=True) / "p.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.comment = comment
        for name, content in members.items():
            archive.writestr(name, content)
    archives.check(path)
    tree = archives.open_tree(path)
    assert {name: tree.open(name).read() for name in tree.files()} == members


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("any") / "some.zip"


@QUICK
@given(content=mutated(ARCHIVES) | st.binary(max_size=200))
def test_any_bytes_are_an_archive_or_refused_by_name(path, content):
    path.write_bytes(content)

    def read():
        try:
            archives.check(path)
            tree = archives.open_tree(path)
            for folder in ("", *tree.folders()):
                for name in tree.files(folder):
                    with tree.open(f"{folder}/{name}" if folder else name) as file:
                        file.read()
        except (ArchiveError, LimitError) as error:
            assert str(error).startswith(str(path))

    assert peak_of(read) < 2**23 + 500 * len(content)
