"""Writes files as TensorFlow 1 does, byte by byte: checkpoints and frozen graphs."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from numpy.typing import NDArray

TYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "bool": 10, "float16": 19}


def varint(value: int) -> bytes:
    groups = [value & 127]
    while value := value >> 7:
        groups.append(value & 127)
    return bytes([group | 128 for group in groups[:-1]] + groups[-1:])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def text(field: int, value: bytes | str) -> bytes:
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def shape(sizes: Sequence[int]) -> bytes:
    return b"".join(text(2, number(1, size)) for size in sizes)


def crc(content: bytes) -> int:
    """CRC-32C bit by bit, masked."""
    value = 0xFFFFFFFF
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0x82F63B78 * (value & 1)
    value ^= 0xFFFFFFFF
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


def block(entries: Sequence[tuple[bytes, bytes]], kind: int = 0) -> bytes:
    """A block whose keys leave out what they share with the one before, anew at every third."""
    content, restarts, previous = b"", [], b""
    for place, (key, value) in enumerate(entries):
        if place % 3 == 0:
            restarts.append(len(content))
            previous = b""
        shared = 0
        while shared < min(len(key), len(previous)) and key[shared] == previous[shared]:
            shared += 1
        content += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        previous = key
    content += b"".join(struct.pack("<I", place) for place in restarts or [0])
    content += struct.pack("<I", len(restarts or [0]))
    return content + bytes([kind]) + struct.pack("<I", crc(content + bytes([kind])))


def table(entries: Sequence[tuple[bytes, bytes]], per_block: int = 4, kind: int = 0) -> bytes:
    """A LevelDB table."""
    content, index = b"", []
    for first in range(0, len(entries), per_block):
        part = entries[first : first + per_block]
        written = block(part, kind)
        index.append((part[-1][0], varint(len(content)) + varint(len(written) - 5)))
        content += written
    handles = b""
    for part in ([], index):
        written = block(part)
        handles += varint(len(content)) + varint(len(written) - 5)
        content += written
    return content + handles.ljust(40, b"\0") + bytes.fromhex("57fb808b2475 47db")


def entry(values: NDArray, in_file: int, at: int, **changed: int) -> bytes:
    """What an index says of a variable; parts of it may be changed."""
    parts = {"dtype": TYPES[values.dtype.name], "shard": in_file, "offset": at, "size": values.nbytes}
    parts |= {"crc": crc(values.tobytes())} | changed
    content = number(1, parts["dtype"]) + text(2, shape(values.shape)) + number(3, parts["shard"])
    content += number(4, parts["offset"]) + number(5, parts["size"])
    return content + varint(6 << 3 | 5) + struct.pack("<I", parts["crc"])


def write_checkpoint(prefix: Path, variables: Mapping[str, NDArray], shards: int = 1, **changed: int) -> None:
    """A checkpoint whose variables are dealt to `shards` files; `changed` parts are wrong in every entry."""
    files = [b""] * shards
    entries = [(b"", number(1, shards) + text(3, number(1, 1)))]
    for place, name in enumerate(sorted(variables)):
        values, shard = variables[name], place % shards
        entries.append((name.encode(), entry(values, shard, len(files[shard]), **changed)))
        files[shard] += values.tobytes()
    for shard, content in enumerate(files):
        prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}").write_bytes(content)
    prefix.with_name(f"{prefix.name}.index").write_bytes(table(entries))


def tensor(values: NDArray, sizes: Sequence[int] | None = None, dtype: int | None = None) -> bytes:
    """A constant's value."""
    head = number(1, TYPES[values.dtype.name] if dtype is None else dtype)
    return head + text(2, shape(values.shape if sizes is None else sizes)) + text(4, values.tobytes())


def constant(name: str, value: bytes) -> bytes:
    """A node of a graph that is a constant."""
    attributes = {"dtype": number(6, 1), "value": text(8, value)}
    content = text(1, name) + text(2, "Const")
    return text(1, content + b"".join(text(5, text(1, key) + text(2, item)) for key, item in attributes.items()))


def write_graph(path: Path, constants: Mapping[str, NDArray]) -> None:
    """A graph of one other node and constants."""
    other = text(1, text(1, "input_node") + text(2, "Placeholder"))
    path.write_bytes(other + b"".join(constant(name, tensor(values)) for name, values in constants.items()))
