"""Weights as TensorFlow 1 wrote them, read without it: checkpoints (version 2) and frozen graphs.

A checkpoint is an index, one table as LevelDB has it, and the files with the numbers that it points into. Both carry
sums (CRC-32C), which are compared. A frozen graph is one protocol buffer.
"""

import functools
import itertools
import math
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from said.running.atomic import PathLike
from said.running.integrity import reading

_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 10: "?", 19: "<f2"}
"""NumPy's names of TensorFlow's types of numbers."""
_MAGIC = 0xDB4775248B80FB57
_FOOTER, _TRAILER = 48, 5
_LARGEST_INDEX = 2**26
"""Bytes. The index of VOCA's checkpoint has 4 KB."""
_LARGEST_GRAPH = 2**31 - 1
"""Bytes that a protocol buffer may have."""
_LARGEST_REPEATED = 2**26
"""Numbers of a constant that all are the same and written once."""
_MESSAGES = {
    "Dimension": {"size": (1, "int64")},
    "Shape": {"dimensions": (2, "Dimension*"), "unknown_rank": (3, "bool")},
    "Tensor": {"dtype": (1, "int32"), "shape": (2, "Shape"), "content": (4, "bytes"), "floats": (5, "float*")},
    "Value": {"tensor": (8, "Tensor")},
    "Attribute": {"name": (1, "string"), "value": (2, "Value")},
    "Node": {"name": (1, "string"), "operation": (2, "string"), "attributes": (5, "Attribute*")},
    "Graph": {"nodes": (1, "Node*")},
    "Header": {"shards": (1, "int32"), "endianness": (2, "int32")},
    "Slice": {},
    "Entry": {
        "dtype": (1, "int32"),
        "shape": (2, "Shape"),
        "shard": (3, "int32"),
        "offset": (4, "int64"),
        "size": (5, "int64"),
        "checksum": (6, "fixed32"),
        "slices": (7, "Slice*"),
    },
}
"""What of TensorFlow's messages is read: fields' numbers and types, * after those of which there may be many."""


def read_checkpoint(prefix: PathLike, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, NDArray]:
    """The variables of a checkpoint, by name.

    Args:
        prefix: path of the checkpoint: what its files' names have in front of `.index` and `.data-00000-of-00001`.
        wanted: which variables to read, by name; of the others nothing is looked at.

    Raises:
        FileNotFoundError: one of its files is not there.
        UnreadableError: a file is not part of a checkpoint, is not whole, or a sum does not fit.
    """
    index = Path(f"{prefix}.index")
    variables = {}
    with reading(index):
        if index.stat().st_size > _LARGEST_INDEX:
            raise ValueError(f"larger than {_LARGEST_INDEX} bytes: not the index of a checkpoint")
        entries = dict(_table(index.read_bytes()))
        if b"" not in entries:
            raise ValueError("it has no header")
        header = _parse("Header", entries.pop(b""))
        if header.shards < 1 or header.endianness != 0:
            raise ValueError(f"numbers in {header.shards} files, byte order {header.endianness}: neither is known")
        chosen = {}
        for key, value in entries.items():
            name = key.decode("utf-8")
            if wanted(name):
                chosen[name] = _checked_entry(name, _parse("Entry", value), header.shards)
    for name, entry in chosen.items():
        data = Path(f"{prefix}.data-{entry.shard:05d}-of-{header.shards:05d}")
        with reading(data):
            if entry.offset + entry.size > data.stat().st_size:
                raise ValueError(f"it ends before {name}, bytes {entry.offset} to {entry.offset + entry.size}")
            with data.open("rb") as file:
                file.seek(entry.offset)
                content = file.read(entry.size)
            if _masked_crc(content) != entry.checksum:
                raise ValueError(f"the sum of {name} does not fit its numbers")
            variables[name] = np.frombuffer(content, _DTYPES[entry.dtype]).reshape(_shape(entry.shape)).copy()
    return variables


def read_constants(path: PathLike) -> dict[str, NDArray]:
    """The constants of a frozen graph (a GraphDef in a .pb file), by name.

    Left out are those that are not numbers, and those whose numbers are written neither as bytes nor as floats, as
    small integers are. Arrays cannot be written to: they are views of what was read.

    Raises:
        FileNotFoundError: the file is not there.
        UnreadableError: it is no graph or not whole, or a constant's numbers do not fill its shape.
    """
    constants: dict[str, NDArray] = {}
    with reading(path):
        if Path(path).stat().st_size > _LARGEST_GRAPH:
            raise ValueError(f"larger than {_LARGEST_GRAPH} bytes: not a graph")
        graph = _parse("Graph", Path(path).read_bytes())
        if not graph.nodes:
            raise ValueError("not a graph: it has no nodes")
        names = set()
        for node in graph.nodes:
            if not node.name or not node.operation or node.name in names:
                raise ValueError(
                    f"not a graph: a node's name {node.name!r} is empty or given twice, or it does nothing"
                )
            names.add(node.name)
            if node.operation == "Const":
                tensors = [item.value.tensor for item in node.attributes if item.name == "value"]
                if len(tensors) != 1:
                    raise ValueError(f"the constant {node.name} has {len(tensors)} values")
                if tensors[0].dtype in _DTYPES and (tensors[0].content or tensors[0].floats):
                    constants[node.name] = _constant(node.name, tensors[0])
    return constants


def _constant(name: str, tensor: Any) -> NDArray:
    shape, dtype = _shape(tensor.shape), np.dtype(_DTYPES[tensor.dtype])
    if tensor.content:
        if len(tensor.content) != math.prod(shape) * dtype.itemsize:
            raise ValueError(
                f"the constant {name} has {len(tensor.content)} bytes, which do not fill the shape {shape}"
            )
        return np.frombuffer(tensor.content, dtype).reshape(shape)
    floats = np.array(tensor.floats, dtype)
    if len(floats) == 1 and math.prod(shape) <= _LARGEST_REPEATED:  # the one number stands for all
        return np.broadcast_to(floats[0], shape)
    if len(floats) != math.prod(shape):
        raise ValueError(f"the constant {name} has {len(floats)} numbers, which do not fill the shape {shape}")
    return floats.reshape(shape)


def _checked_entry(name: str, entry: Any, shards: int) -> Any:
    """An entry of the index whose parts fit each other."""
    if entry.dtype not in _DTYPES:
        raise ValueError(f"{name} is of TensorFlow's type {entry.dtype}, which is not read here")
    if entry.slices:
        raise ValueError(f"{name} is in slices, which are not read here")
    if not 0 <= entry.shard < shards or entry.offset < 0:
        raise ValueError(f"{name} should be in file {entry.shard} of {shards}, from byte {entry.offset}")
    shape = _shape(entry.shape)
    if entry.size != math.prod(shape) * np.dtype(_DTYPES[entry.dtype]).itemsize:
        raise ValueError(f"{name} has {entry.size} bytes, which do not fill the shape {shape}")
    return entry


def _shape(shape: Any) -> tuple[int, ...]:
    sizes = tuple(dimension.size for dimension in shape.dimensions)
    if shape.unknown_rank or min(sizes, default=0) < 0 or len(sizes) > 8 or math.prod(sizes) > _LARGEST_GRAPH:
        raise ValueError(f"a shape of {sizes} is none that numbers have")
    return sizes


def _table(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The entries of a LevelDB table, whose keys must rise."""
    if len(content) < _FOOTER or struct.unpack("<Q", content[-8:])[0] != _MAGIC:
        raise ValueError("not the index of a checkpoint: it does not end as one does")
    footer = content[-_FOOTER:-8]
    further, position = _handle(footer, 0)
    index, position = _handle(footer, position)
    if any(footer[position:]) or any(_block(content, *further)):
        raise ValueError("its end is not TensorFlow's")
    blocks = [_handle(value, 0)[0] for _, value in _block(content, *index)]
    previous = None
    for key, value in itertools.chain.from_iterable(_block(content, *block) for block in blocks):
        if previous is not None and key <= previous:
            raise ValueError("its keys do not rise")
        previous = key
        yield key, value


def _handle(content: bytes, position: int) -> tuple[tuple[int, int], int]:
    """Place and size of a block, and where in `content` what follows them begins."""
    offset, position = _varint(content, position)
    size, position = _varint(content, position)
    return (offset, size), position


def _block(content: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block. Each key is written as what it does not share with the one before."""
    end = offset + size
    if size < 4 or end + _TRAILER > len(content) - _FOOTER:
        raise ValueError("a block of it lies outside")
    kind, checksum = struct.unpack("<BI", content[end : end + _TRAILER])
    if kind != 0:
        raise ValueError("it is compressed, which TensorFlow's own are not")
    if _masked_crc(content[offset : end + 1]) != checksum:
        raise ValueError("a sum in it does not fit")
    block = content[offset:end]
    restarts = struct.unpack("<I", block[-4:])[0]
    stop = len(block) - 4 - 4 * restarts
    position, key = 0, b""
    while position < stop:
        shared, position = _varint(block, position)
        suffix, position = _varint(block, position)
        length, position = _varint(block, position)
        if shared > len(key) or position + suffix + length > stop:
            raise ValueError("an entry of it is longer than its block")
        key = key[:shared] + block[position : position + suffix]
        position += suffix
        yield key, block[position : position + length]
        position += length
    if position != stop:
        raise ValueError("its blocks are not whole")


def _varint(content: bytes, position: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and where what follows it begins."""
    value = 0
    for shift in range(0, 64, 7):
        if position >= len(content):
            raise ValueError("it ends within a number")
        byte = content[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise ValueError("a number in it has no end")


@functools.cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


def _masked_crc(content: bytes) -> int:
    """CRC-32C, turned and shifted as LevelDB does, so that sums of what holds sums are good ones, too."""
    table, crc = _crc_table(), 0xFFFFFFFF
    for byte in content:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _parse(message: str, content: bytes) -> Any:
    return _message_types()[message].FromString(content)


@functools.cache
def _message_types() -> dict[str, Any]:
    """protobuf's classes for `_MESSAGES`."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="said/tensorflow.proto", package="said", syntax="proto3")
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, (number, kind) in fields.items():
            field = described.field.add(name=name, number=number)
            field.label = kinds.LABEL_REPEATED if kind.endswith("*") else kinds.LABEL_OPTIONAL
            kind = kind.rstrip("*")
            if kind in _MESSAGES:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".said.{kind}"
            else:
                field.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"said.{name}")) for name in _MESSAGES}
