"""Archives and pickles that others made: what is read, and what is refused."""

import collections
import io
import pickle
import stat
import subprocess
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from release import python2_pickle

from said.vocaset import archives, unpickle
from said.vocaset.archives import ArchiveError


@pytest.fixture
def folder(tmp_path):
    """A folder of files, to be packed."""
    for name, content in {"a.txt": b"a" * 50, "b/c.bin": bytes(range(256)) * 40, "b/d/e.txt": b"e"}.items():
        path = tmp_path / "things" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "things"


def pack(path: Path, members: dict[str, bytes], method=zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return path


def pack_folder(folder: Path, path: Path, around: str = "") -> Path:
    return pack(path, {f"{around}{p.relative_to(folder)}": p.read_bytes() for p in folder.rglob("*") if p.is_file()})


def everything(tree: archives.Tree, folder: str = "") -> dict[str, bytes]:
    """All files of a tree below a folder."""
    join = f"{folder}/" if folder else ""
    found = {f"{join}{name}": tree.open(f"{join}{name}").read() for name in tree.files(folder)}
    for name in tree.folders(folder):
        found |= everything(tree, f"{join}{name}")
    return found


@pytest.mark.parametrize("around", ["", "things/"])
def test_a_folder_and_its_archive_are_the_same_tree(folder, tmp_path, around):
    packed = pack_folder(folder, tmp_path / "things.zip", around)
    plain = everything(archives.open_tree(folder))
    assert everything(archives.open_tree(packed)) == plain and len(plain) == 3
    folder.rename(tmp_path / "elsewhere")  # then the archive stands for the folder
    assert everything(archives.open_tree(tmp_path), "things") == {f"things/{k}": v for k, v in plain.items()}
    assert archives.open_tree(tmp_path).folders() == ["elsewhere", "things"]


def test_junk_of_packers_is_not_seen(folder, tmp_path):
    packed = pack(tmp_path / "x.zip", {"x/a": b"a", "__MACOSX/x/._a": b"j", "x/.DS_Store": b"j"})
    assert everything(archives.open_tree(packed)) == {"a": b"a"}


def test_what_file_managers_leave_beside_files_is_not_seen(folder, tmp_path):
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7Mac OS X")
    (folder / "__MACOSX/b").mkdir(parents=True)
    (folder / "__MACOSX/b/._c.bin").write_bytes(b"j")
    for name in (".DS_Store", "b/Thumbs.db", "b/desktop.ini"):
        (folder / name).write_bytes(b"j")
    (tmp_path / "._things.zip").write_bytes(b"j")
    seen = everything(archives.open_tree(folder))
    assert seen.keys() == {"a.txt", "b/c.bin", "b/d/e.txt"}
    assert everything(archives.open_tree(pack_folder(folder, tmp_path / "things.zip", "things/"))) == seen
    assert everything(archives.open_tree(pack_folder(folder, tmp_path / "dots.zip", "./"))) == seen
    assert archives.open_tree(tmp_path).folders() == ["dots", "things"]


def test_members_can_be_read_from_the_middle(folder, tmp_path):
    tree = archives.open_tree(pack_folder(folder, tmp_path / "p.zip"))
    with tree.open("b/c.bin") as file:
        file.seek(300)
        assert file.read(3) == bytes([44, 45, 46])


def test_what_is_absent_is_named(folder, tmp_path):
    tree = archives.open_tree(pack_folder(folder, tmp_path / "p.zip"))
    with pytest.raises(FileNotFoundError, match=r"p\.zip:b/none"):
        tree.open("b/none")
    assert tree.files("none") == [] and archives.find(tree, "c.bin") == "b/c.bin" and archives.find(tree, "x") is None
    with pytest.raises(FileNotFoundError, match="absent"):
        archives.open_tree(tmp_path / "absent")


@pytest.mark.parametrize("name", ["../evil", "a/../../x", "/etc/passwd", "a\\..\\evil", "C:/evil", "C:evil"])
def test_paths_that_lead_outside_are_refused(tmp_path, name):
    packed = pack(tmp_path / "x.zip", {"good": b"", "placeholder": b"content"})
    hostile = packed.read_bytes().replace(b"placeholder", name.encode().ljust(11, b"_"))
    packed.write_bytes(hostile)
    for read in (archives.open_tree, archives.check):
        with pytest.raises(ArchiveError, match="x.zip: member .*leads outside"):
            read(packed)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path, kind):
    info = zipfile.ZipInfo("link")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(ArchiveError, match="link or no plain file"):
        archives.open_tree(tmp_path / "x.zip")


def test_bombs_are_refused_by_ratio_and_by_size(tmp_path):
    bomb = pack(tmp_path / "bomb.zip", {"zeros": bytes(5_000_000)})
    with pytest.raises(ArchiveError, match="zip bomb"):
        archives.open_tree(bomb)
    noise = pack(tmp_path / "noise.zip", {f"{i}": np.random.default_rng(i).bytes(1000) for i in range(20)})
    with pytest.raises(archives.LimitError, match="vocaset.unpacked_gigabytes"):
        archives.open_tree(noise, limit=19_999)
    assert len(everything(archives.open_tree(noise, limit=20_000))) == 20


def test_a_member_that_hides_its_size_is_not_unpacked_beyond_it(tmp_path):
    content = np.random.default_rng(0).bytes(1000)
    packed = pack(tmp_path / "x.zip", {"m": content * 50})
    real, claimed = (50_000).to_bytes(4, "little"), (2_000).to_bytes(4, "little")
    packed.write_bytes(packed.read_bytes().replace(real, claimed))
    with pytest.raises(ArchiveError, match="m is damaged"):
        archives.check(packed)


def test_encrypted_and_doubled_members_are_refused(tmp_path):
    packed = pack(tmp_path / "x.zip", {"first": b"1", "twice": b"2"})
    packed.write_bytes(packed.read_bytes().replace(b"first", b"twice"))
    with pytest.raises(ArchiveError, match="'twice' is listed twice"):
        archives.open_tree(packed)
    packed = pack(tmp_path / "y.zip", {"m": b"1"}, zipfile.ZIP_STORED)
    data = bytearray(packed.read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + place] |= 1
    packed.write_bytes(data)
    with pytest.raises(ArchiveError, match="encrypted"):
        archives.open_tree(packed)


def test_a_member_that_claims_more_than_the_archive_is_refused_before_it_is_read(tmp_path):
    packed = pack(tmp_path / "x.zip", {"m": b"1" * 1000}, zipfile.ZIP_STORED)
    packed.write_bytes(packed.read_bytes().replace((1000).to_bytes(4, "little"), (2**31).to_bytes(4, "little")))
    for read in (archives.open_tree, archives.check):
        with pytest.raises(ArchiveError, match=r"x\.zip: cut short or damaged: 'm' goes on beyond its end"):
            read(packed, 2**40)


def test_a_member_without_a_name_is_refused(tmp_path):
    with pytest.raises(ArchiveError, match=r"x\.zip: member '' has no name"):
        archives.open_tree(pack(tmp_path / "x.zip", {"": b"1"}))


def test_the_same_path_written_twice_is_refused(tmp_path):
    with pytest.raises(ArchiveError, match="'a/b' is listed twice"):
        archives.open_tree(pack(tmp_path / "x.zip", {"a/b": b"1", "./a//b": b"2"}))


def test_many_members_and_deep_ones_take_no_longer_than_they_must(tmp_path):
    """A look at each pair of 30 000 names, or at each prefix of 30 000 folders, would take minutes."""
    many = pack(tmp_path / "x.zip", {f"{index}": b"" for index in range(30_000)}, zipfile.ZIP_STORED)
    content = many.read_bytes().replace(b"29999", b"29998")
    many.write_bytes(content)
    with pytest.raises(ArchiveError, match="'29998' is listed twice"):
        archives.open_tree(many)
    deep = pack(tmp_path / "y.zip", {f"{'a/' * 30_000}{index}": b"" for index in range(20)})
    with pytest.raises(ArchiveError, match="lies 30000 folders deep"):
        archives.open_tree(deep)


def test_a_method_that_is_not_read_is_named_with_the_remedy(tmp_path):
    packed = pack(tmp_path / "x.zip", {"m": b"1" * 100}, zipfile.ZIP_LZMA)
    for read in (archives.open_tree, archives.check):
        with pytest.raises(ArchiveError, match=r"x\.zip: member 'm' is packed by the method 14, .*unpack the archive"):
            read(packed)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
        assert everything(archives.open_tree(pack(tmp_path / f"{method}.zip", {"m": b"1"}, method))) == {"m": b"1"}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_a_member_damaged_after_it_was_checked_is_named_when_it_is_read(tmp_path, method):
    packed = pack(tmp_path / "x.zip", {"m": np.random.default_rng(0).bytes(5000)}, method)
    content = bytearray(packed.read_bytes())
    content[2000:2100] = bytes(100)
    packed.write_bytes(content)
    for read in (lambda file: file.read(), lambda file: file.seek(4000) and file.read(), lambda file: file.read(5000)):
        with pytest.raises(ArchiveError, match=r"x\.zip: m is damaged") as caught:
            if read(archives.open_tree(packed).open("m")) and method == zipfile.ZIP_STORED:
                # In some versions, zipfile does not check what it reads from the middle.
                raise ArchiveError(f"{packed}: m is damaged")
        assert "delete" not in str(caught.value)


def test_a_cut_and_a_flipped_byte_are_found(folder, tmp_path):
    packed = pack_folder(folder, tmp_path / "x.zip")
    whole = packed.read_bytes()
    archives.check(packed)
    packed.write_bytes(whole[:-10])
    with pytest.raises(ArchiveError, match="cut short"):
        archives.check(packed)
    flipped = bytearray(whole)
    flipped[whole.index(b"b/c.bin") + 60] ^= 1
    packed.write_bytes(flipped)
    with pytest.raises(ArchiveError, match=r"b/c\.bin is damaged"):
        archives.check(packed)


# Pickles.

CONTENT = {
    "audio": np.arange(-500, 500, dtype=np.int16),
    "table": {0: 5, 1: np.int64(6)},
    "template": np.linspace(0, 1, 12).reshape(4, 3),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "swapped": np.arange(4, dtype=">i4"),
    "names": np.array(["ab", "c"]),
    "parts": np.arange(12.0)[::2],
    "turned": np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2),
    "none": np.zeros((0, 3), dtype=np.float32),
    "one": np.array(5),
    "plain": [1, 2.5, "text", None, True, (1, {2}), frozenset({3}), collections.OrderedDict(a=1), 2**70, 1j],
}


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5, "python 2"])
def test_arrays_and_plain_containers_come_back(protocol):
    content = {key: value for key, value in CONTENT.items() if protocol != "python 2" or key != "plain"}
    data = python2_pickle(content) if protocol == "python 2" else pickle.dumps(content, protocol)
    back = unpickle.load(io.BytesIO(data), "x.pkl")
    assert back.keys() == content.keys() and back.get("plain") == content.get("plain")
    for key, value in content.items():
        if isinstance(value, np.ndarray):
            assert np.array_equal(back[key], value) and back[key].dtype.newbyteorder("=") == value.dtype.newbyteorder(
                "="
            )
    assert back["table"] == CONTENT["table"] and isinstance(back["table"][1], np.int64)


class Hostile:
    def __init__(self, *reduction):
        self.reduction = reduction

    def __reduce__(self):
        return self.reduction


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (open, ("ran", "w"), "io.open"),
        (subprocess.call, (["touch", "ran"],), "call"),
        (eval, ("open('ran', 'w')",), "eval"),
        (getattr, ({}, "get"), "getattr"),
        (np.load, ("ran.npy",), "numpy.load"),
        (np.memmap, ("ran", "u1", "w+", 0, (3,)), "memmap"),
        (np.lib.format.open_memmap, ("ran", "w+", "u1", (3,)), "open_memmap"),
        (bytearray, (10**15,), "bytearray"),
        (type, ("T", (), {}), "type"),
    ],
)
def test_hostile_pickles_are_refused_by_name_and_not_run(tmp_path, monkeypatch, function, arguments, named, protocol):
    monkeypatch.chdir(tmp_path)
    data = pickle.dumps({"audio": Hostile(function, arguments)}, protocol)
    with pytest.raises(unpickle.UnpickleError, match=rf"x\.pkl: names .*{named}.* it was not run"):
        unpickle.load(io.BytesIO(data), "x.pkl")
    assert list(tmp_path.iterdir()) == []


def array_pickle(dtype: bytes, shape: bytes, content: bytes) -> bytes:
    """A hand-written pickle of an array: a dtype's state and content that NumPy itself would never write."""
    return (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
        b"(I1\n" + shape + b"cnumpy\ndtype\n(" + dtype + b"I0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb"
        b"I00\n" + content + b"tb."
    )


def test_hand_written_arrays_are_what_the_next_test_distorts():
    data = array_pickle(b"S'i2'\n", b"(I2\nt", b"S'\\x01\\x00\\x02\\x00'\n")
    assert unpickle.load(io.BytesIO(data), "x").tolist() == [1, 2]


@pytest.mark.parametrize(
    ("dtype", "shape", "content", "named"),
    [
        (b"S'O8'\n", b"(I1\nt", b"(lNa", "only numbers and text"),  # objects
        (b"S'V8'\n", b"(I1\nt", b"S'12345678'\n", "only numbers and text"),  # raw memory
        (b"S'M8[s]'\n", b"(I1\nt", b"S'12345678'\n", "only numbers and text"),
        (b"(lS'x'\na", b"(I1\nt", b"S'12'\n", "only its short name"),  # a structure
        (b"S'i2'\n", b"(I1000000\nt", b"S'12'\n", "damaged"),  # more than is there
        (b"S'i2'\n", b"(I-1\nt", b"S'12'\n", "damaged"),
        (b"S'i2'\n", b"(I1\nt", b"(lI1\na", "only bytes"),
        (b"S'no such'\n", b"(I1\nt", b"S'12'\n", "damaged"),
    ],
)
def test_distorted_arrays_are_refused(dtype, shape, content, named):
    with pytest.raises(unpickle.UnpickleError, match=named):
        unpickle.load(io.BytesIO(array_pickle(dtype, shape, content)), "x.pkl")


@pytest.mark.parametrize("state", [b"(N}S'shared'\nI1\nst", b"}S'shared'\nI1\ns"], ids=["slots", "dict"])
def test_nothing_can_be_set_on_what_is_handed_out(state):
    # BUILD sets attributes: on a function, or through a method on its function, they would stay for the next pickle.
    for name in ("numpy dtype", "numpy.core.multiarray _reconstruct", "numpy.core.multiarray scalar", "_codecs encode",
                 "collections OrderedDict"):  # fmt: skip
        data = b"\x80\x02c" + name.replace(" ", "\n").encode() + b"\n" + state + b"b."
        with pytest.raises(unpickle.UnpickleError):
            unpickle.load(io.BytesIO(data), "x.pkl")


def test_damaged_pickles_are_named():
    whole = python2_pickle(CONTENT["audio"])
    for data in (whole[:-20], b"", b"<html>", b"PK\x03\x04", whole[: len(whole) // 2]):
        with pytest.raises(unpickle.UnpickleError, match=r"x\.pkl: is damaged or not a pickle"):
            unpickle.load(io.BytesIO(data), "x.pkl")
    with pytest.raises(unpickle.UnpickleError, match="outside itself"):
        unpickle.load(io.BytesIO(b"\x80\x02U\x01aQ."), "x.pkl")


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02Nr\xff\xff\xff\x01.",  # a slot of memory beyond 33 million others: 256 MiB
        b"Np99999999\n.",
        b"\x80\x05\x8e\xff\xff\xff\xff\x7f\0\0\0x.",  # bytes that are not there
        b"\x80\x05\x96\xff\xff\xff\xff\x7f\0\0\0x.",
        b"\x80\x02T\xff\xff\xff\x7fx.",
        b"\x80\x02}" + b"\x85".join([b")"] * 2) + b"\x85" * 1_000_000 + b"Ns.",  # overruns C's stack
        b"\x80\x02})" + b"2\x86" * 60 + b"Ns.",  # 2**60 objects to hash
        b"\x80\x04})\x94" + b"".join(b"h%c\x86\x94" % index for index in range(60)) + b"Ns.",
        b"\x80\x05\x95\x0a\0\0\0\0\0\0\0\x96\x20\0\0\0\0\0\0\0" + bytes(32) + b".",  # Python says MemoryError
    ],
    ids=["slot", "slot in text", "bytes8", "bytearray8", "string", "nested", "doubled", "doubled by memory", "frame"],
)
def test_a_few_bytes_claim_neither_memory_nor_time(data):
    tracemalloc.start()
    with pytest.raises(unpickle.UnpickleError, match=r"x\.pkl: "):
        unpickle.load(io.BytesIO(data), "x.pkl")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 * len(data) + 2**20


def test_buffers_outside_the_pickle_are_refused_by_name():
    buffers = []
    data = pickle.dumps(np.arange(5), 5, buffer_callback=buffers.append)
    assert buffers
    with pytest.raises(unpickle.UnpickleError, match=r"x\.pkl: keeps data outside itself \(NEXT_BUFFER\)"):
        unpickle.load(io.BytesIO(data), "x.pkl")


def test_what_is_shared_is_shared():
    common = (1, (2, "three"))
    content = {f"{index}": [common, common] for index in range(1000)}
    assert unpickle.load(io.BytesIO(pickle.dumps(content)), "x.pkl") == content
