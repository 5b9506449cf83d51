"""Archives beyond 4 GiB, or small ones in their place, without the records that say so."""

import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from said.vocaset import archives, zip64
from said.vocaset.archives import ArchiveError


def write(path: Path, members: dict[str, bytes | int], wrap=2**32, deflate=True, descriptor=True) -> Path:
    """An archive as macOS's Archive Utility writes it: places and sizes modulo `wrap`.

    A number for a content is that many zeros, which take no disk and whose checksum is left out.
    """
    directory = []
    with path.open("wb") as file:
        for name, content in members.items():
            plain, sparse = (b"", content) if isinstance(content, int) else (content, 0)
            method = 8 if deflate and not sparse else 0
            packer = zlib.compressobj(6, zlib.DEFLATED, -15)
            data = packer.compress(plain) + packer.flush() if method else plain
            sizes = ((len(data) or sparse) % wrap, (len(plain) or sparse) % wrap)
            numbers, place, coded = (zlib.crc32(plain), *sizes), file.tell() % wrap, name.encode()
            local = (0, 0, 0) if descriptor else numbers
            common = (20, 8 * descriptor, method, 0, 0x5800)
            file.write(struct.pack("<4s5H3I2H", b"PK\3\4", *common, *local, len(coded), 4) + coded + b"UX\0\0" + data)
            file.seek(sparse, 1)
            if descriptor:
                file.write(struct.pack("<4s3I", b"PK\7\10", *numbers))
            entry = (0x0315, *common, *numbers, len(coded), 0, 0, 0, 0, 0o100644 << 16, place)
            directory.append(struct.pack("<4s6H3I5H2I", b"PK\1\2", *entry) + coded)
        start = file.tell()
        file.write(b"".join(directory))
        size = file.tell() - start
        count = len(directory) % 4  # 16 bits for more members than they count
        file.write(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, size, start % wrap, 0))
    return path


@pytest.mark.parametrize("first", [2**32 + 4096, 2**32 - 40, 3 * 2**32, 5])
def test_an_archive_beyond_4_gib_is_read(tmp_path, first):
    members = {"x/a.npy": first, "x/b.pkl": b"rows", "x/c.npy": 2**32 + 10, "x/d.pkl": b"templates"}
    packed = write(tmp_path / "x.zip", members)
    tree = archives.open_tree(packed, 40 * 10**9)
    assert tree.files() == ["a.npy", "b.pkl", "c.npy", "d.pkl"]
    assert tree.open("b.pkl").read() == b"rows" and tree.open("d.pkl").read() == b"templates"
    with zipfile.ZipFile(packed) as archive:  # to read them to the end takes a minute
        zip64.restore(archive)
        assert [info.file_size for info in archive.infolist()] == [first, 4, 2**32 + 10, 9]
        assert [info.compress_size for info in archive.infolist()][::2] == [first, 2**32 + 10]


def noise(seed: int, size: int) -> bytes:
    """Bytes that deflate to a quarter."""
    return np.random.default_rng(seed).integers(0, 4, size, dtype=np.uint8).tobytes()


@pytest.mark.parametrize("deflate", [True, False])
@pytest.mark.parametrize("descriptor", [True, False])
def test_sizes_that_begin_again_at_0_are_found(tmp_path, monkeypatch, deflate, descriptor):
    wrap = 2**17
    monkeypatch.setattr(zip64, "_WRAP", wrap)
    sizes = (3 * wrap + 5, 10, 0, wrap, 9 * wrap - 1, wrap // 2, 4 * wrap + 1)
    members = {f"{index}.npy": noise(index, size) for index, size in enumerate(sizes)}
    packed = write(tmp_path / "p.zip", members, wrap, deflate, descriptor)
    archives.check(packed)
    tree = archives.open_tree(packed)
    for name, content in members.items():
        with tree.open(name) as file:
            assert file.read() == content
        with tree.open(name) as file:
            file.seek(len(content) // 2)
            assert file.read(7) == content[len(content) // 2 :][:7]
    total = sum(sizes)
    archives.check(packed, limit=total)
    with pytest.raises(archives.LimitError):
        archives.check(packed, limit=total - 1)


def test_a_member_that_is_nowhere_is_named_with_the_remedy(tmp_path):
    packed = write(tmp_path / "p.zip", {"a": 2**32, "b": b"here"})
    with packed.open("r+b") as file:
        file.seek(2**32 + 35)  # the end of a, and the header of b
        file.write(bytes(60))
    with pytest.raises(ArchiveError, match=r"p\.zip: is larger than 4 GiB without the Zip64 records.* b .*7z x"):
        archives.open_tree(packed, 40 * 10**9)


def test_an_archive_with_its_zip64_records_is_believed(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 3)
    monkeypatch.setattr(zip64, "_WRAP", 2**10)  # as if all this were far beyond 4 GiB
    members = {f"{index}": noise(index, 5000) for index in range(5)}
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        before = [(info.header_offset, info.file_size, info.compress_size) for info in archive.infolist()]
        zip64.restore(archive)
        assert [(info.header_offset, info.file_size, info.compress_size) for info in archive.infolist()] == before
    assert b"PK\6\6" in (tmp_path / "p.zip").read_bytes()
