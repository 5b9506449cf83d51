"""Reads pickles that others published without running anything in them.

A pickle is a program: it can name any function of any module and have it called. This reader lets it name only what
arrays, scalars and plain containers are made of, and replaces NumPy's own constructors by checked ones. Before anything
runs, the whole program is followed once, so that a few bytes cannot claim gigabytes or hours. Pickles of Python 2
(protocol 2, byte strings) are read as well as today's.
"""

import io
import pickle
import pickletools
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

_NUMERIC = frozenset("biufcSU")
"""Kinds of dtype whose values are plain bytes: no objects, no structures."""
_CONTAINERS = {
    ("collections", "OrderedDict"): dict,  # on a plain dict no attribute can be set
    **{(module, name): kind for module in ("builtins", "__builtin__")
       for name, kind in {"set": set, "frozenset": frozenset, "complex": complex}.items()},
}  # fmt: skip
_OPERATIONS = {operation.code: operation for operation in pickletools.opcodes}
_DEEPEST = 100
"""Depth of nested containers; data needs a handful, and beyond some 10,000 comparing them overflows Python's stack."""
_SHARED = 100
"""How often, on average, an object may occur in others: hundreds of tuples that hold each other twice take for ever to
hash."""
_LENGTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
"""Bytes of the count before an argument of variable length."""


class UnpickleError(ValueError):
    """A pickle is damaged, or names something other than arrays, scalars and plain containers."""


class Record:
    """What stands for an object of a class that is not to be made: its state.

    Attributes:
        state: what its pickle would have given it.
    """

    def __init__(self, *_: Any):
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


def load(file: BinaryIO, name: str, records: frozenset[tuple[str, str]] = frozenset()) -> Any:
    """The content of a pickle of arrays, scalars and plain containers.

    Args:
        file: opened for reading in binary.
        name: its name in messages.
        records: modules and names of classes of which a `Record` stands for each object.

    Returns:
        its content; byte strings of Python 2 as text of the same code points (latin1), an OrderedDict as a dict.

    Raises:
        UnpickleError: it names anything else (which is not called), refers to data outside itself, ends early, or
            claims more memory or time than its size explains.
    """
    try:
        content = file.read()
        _require_modest(content)
        reader = _Unpickler(io.BytesIO(content), encoding="latin1")
        reader.records = records
        return reader.load()
    except UnpickleError as error:
        raise UnpickleError(f"{name}: {error}") from None
    except (OSError, MemoryError):
        raise
    except Exception as error:  # a damaged pickle may raise anything
        raise UnpickleError(f"{name}: is damaged or not a pickle: {type(error).__name__}: {error}") from None


def _operations(content: bytes) -> Iterator[tuple[pickletools.OpcodeInfo, bytes]]:
    """The operations of a pickle up to its end, each with at most the first 32 bytes of its argument."""
    place, frame = 0, None
    while True:
        operation = _OPERATIONS.get(content[place : place + 1].decode("latin1"))
        if operation is None:
            raise ValueError(f"no operation at byte {place} of {len(content)}")
        begin, place = place + 1, place + 1
        size = operation.arg.n if operation.arg else 0
        if operation.arg and size == pickletools.UP_TO_NEWLINE:
            for _ in range(1 + operation.arg.name.endswith("_pair")):
                place = content.find(b"\n", place) + 1 or len(content) + 1
            size = place - begin
        elif size < 0:
            begin += _LENGTHS[size]
            size = int.from_bytes(content[place:begin], "little")
        place = begin + size
        if place > len(content):
            raise ValueError(f"{operation.name} goes on for {size} bytes at byte {begin} of {len(content)}")
        # Python itself raises MemoryError for an operation that goes beyond the end of its frame.
        if frame is not None and place > frame:
            raise ValueError(f"{operation.name} at byte {begin - 1} goes beyond the end of its frame at byte {frame}")
        if operation.name == "FRAME":
            frame = place + int.from_bytes(content[begin:place], "little")
        elif place == frame:
            frame = None
        yield operation, content[begin : min(place, begin + 32)]
        if operation.name == "STOP":
            return


def _require_modest(content: bytes) -> None:
    """Refuse a pickle that would take more memory or time than its size explains; it is followed, not run.

    Raises:
        UnpickleError: it numbers its memory far beyond what is in it, nests or repeats objects beyond any need, or
            refers to data outside itself.
        ValueError: it is not a pickle.
    """
    stack: list[tuple[int, int]] = []  # for each object: how many it holds, repetitions included, and how deep
    marks, memory = [0], {}
    for count, (operation, argument) in enumerate(_operations(content), start=1):
        name, before = operation.name, operation.stack_before
        if name in ("NEXT_BUFFER", "READONLY_BUFFER"):
            raise UnpickleError(f"keeps data outside itself ({name}); pickle it again without a buffer_callback")
        if name == "POP" and len(marks) > 1 and len(stack) == marks[-1]:
            marks.pop()
            continue
        if name == "MARK":
            marks.append(len(stack))
            continue
        if pickletools.markobject in before:
            if len(marks) == 1:
                raise ValueError(f"{name} without a mark")
            start = marks.pop() - before.index(pickletools.markobject)
        else:
            start = len(stack) - len(before)
        if start < marks[-1]:
            raise ValueError(f"{name} lacks its operands")
        taken = stack[start:]
        del stack[start:]
        if name in ("MEMOIZE", "DUP"):
            stack += taken * len(operation.stack_after)
        elif name.endswith("GET"):
            stack.append(memory[_number(name, argument)])
        elif operation.stack_after:
            size, depth = 1 + sum(size for size, _ in taken), max((1 + depth for _, depth in taken), default=0)
            if depth > _DEEPEST or size > _SHARED * (count + _SHARED):
                raise UnpickleError(f"nests objects {depth} deep, with repetitions {size} of them; no data does so")
            stack.append((size, depth))
        if name == "MEMOIZE" or name.endswith("PUT"):
            number = len(memory) if name == "MEMOIZE" else _number(name, argument)
            if number > count:
                raise UnpickleError(f"numbers an object {number} where there can be {count}; it was not read")
            memory[number] = stack[-1]


def _number(name: str, argument: bytes) -> int:
    """The number of an object in a pickle's memory, written in decimal or in bytes."""
    return int(argument) if name in ("GET", "PUT") else int.from_bytes(argument, "little")


class _Unpickler(pickle.Unpickler):
    records: frozenset[tuple[str, str]] = frozenset()

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self.records:
            return type("Record", (Record,), {"__slots__": ()})  # of its own: what a pickle sets on it is nobody else's
        if self.records and name == "_reconstructor" and module in ("copy_reg", "copyreg"):
            return _Constructor(_record)
        if self.records and (module, name) in _OBJECTS:
            return _OBJECT
        if (module, name) in _CONTAINERS:
            return _Constructor(_CONTAINERS[module, name])
        if name == "bytes" and module in ("builtins", "__builtin__"):  # of an empty array, before protocol 3
            return _Constructor(_no_bytes)
        if module.split(".")[0] == "numpy":
            numpy_part = (module.removeprefix("numpy").lstrip(".").replace("_core", "core"), name)
            match numpy_part:
                case ("", "ndarray"):
                    return _NDARRAY
                case ("", "dtype"):
                    return _Constructor(_Dtype)
                case ("core.multiarray", "_reconstruct"):
                    return _Constructor(_empty_array)
                case ("core.numeric", "_frombuffer"):  # of protocol 5
                    return _Constructor(_array_from_buffer)
                case ("core.multiarray", "scalar"):
                    return _Constructor(_scalar)
        if (module, name) == ("_codecs", "encode"):
            return _Constructor(_latin1_bytes)
        raise UnpickleError(f"names {module}.{name}, which is neither an array nor a plain container; it was not run")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise UnpickleError(f"refers to {pid!r} outside itself; it was not looked up")


class _Constructor:
    """What a pickle may call. Unlike on a function, no attribute can be set on it."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., Any]):
        self._make = make

    def __call__(self, *arguments: Any) -> Any:
        return self._make(*arguments)

    def __setstate__(self, state: Any) -> NoReturn:
        raise UnpickleError("sets attributes of a constructor; they were not set")


def _record(kind: Any, base: Any, state: Any) -> Record:
    """An object of a class as protocol 2 and below make it."""
    if base != _OBJECT or not (isinstance(kind, type) and issubclass(kind, Record)):
        raise UnpickleError("makes an object of a class that is not known; it was not made")
    return kind()


def _empty_array(kind: Any, *_: Any) -> "_Array":
    if kind is not _NDARRAY:
        raise UnpickleError("asks for an array of a class of its own; it was not made")
    return np.empty(0, dtype=np.uint8).view(_Array)


def _array_from_buffer(buffer: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> NDArray[Any]:
    array = np.frombuffer(_bytes(buffer), dtype=_checked(dtype))
    return array.reshape(shape, order=order) if axes is None else array.reshape(shape).transpose(axes)


def _scalar(dtype: Any, data: Any = b"") -> np.generic:
    return np.frombuffer(_bytes(data), dtype=_checked(dtype), count=1)[0]


def _latin1_bytes(text: Any, encoding: Any = "latin1") -> bytes:
    if encoding != "latin1":
        raise UnpickleError(f"asks for the codec {encoding!r}; it was not run")
    return text.encode("latin1")


def _no_bytes(*arguments: Any) -> bytes:
    if arguments:
        raise UnpickleError("names builtins.bytes for more than none; it was not run")
    return b""


_OBJECTS = {("builtins", "object"), ("__builtin__", "object")}
_OBJECT = "builtins.object"  # as below
_NDARRAY = "numpy.ndarray"  # stands for the class, which is not handed out itself


class _Dtype:
    """What a pickle says about a dtype, before it is trusted: the state of numpy.dtype could describe anything."""

    def __init__(self, description: Any, *_: Any):
        self.description = description
        self.order: Any = "="

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]


class _Array(np.ndarray):
    """An array whose content is set only after its dtype has been checked."""

    def __setstate__(self, state: Any) -> None:
        version, shape, dtype, fortran, data = state
        checked = _checked(dtype)
        content: Any = _bytes(data)  # NumPy refuses what is not bytes
        super().__setstate__((version, shape, checked, fortran, content))


def _checked(dtype: Any) -> np.dtype[Any]:
    if not isinstance(dtype, _Dtype):
        raise UnpickleError(f"gives an array {type(dtype).__name__} for its dtype")
    checked = np.dtype(_text(dtype.description))
    if checked.kind not in _NUMERIC:
        raise UnpickleError(f"holds an array of {checked}; only numbers and text are read")
    if dtype.order in ("=", "|"):
        return checked
    order: Any = _text(dtype.order)  # NumPy refuses what is no order
    return checked.newbyteorder(order)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise UnpickleError(f"describes a dtype by {type(value).__name__}; only its short name is read")
    return value


def _bytes(data: Any) -> bytes | bytearray:
    """The bytes of an array, which Python 2 wrote as a string; a list of objects is refused."""
    if isinstance(data, str):
        return data.encode("latin1")
    if isinstance(data, bytes | bytearray):
        return data
    raise UnpickleError(f"fills an array from {type(data).__name__}; only bytes are read")
