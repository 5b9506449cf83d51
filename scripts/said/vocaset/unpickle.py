"""Pickles that others published, read without running anything that is in them.

A pickle is a program: it may name any function of any module and have it called. This reader lets it name what
arrays, scalars and plain containers are made of, and nothing else; NumPy's own constructors are replaced by checked
ones. It reads Python 2's pickles (protocol 2, byte strings) as well as today's.
"""

import collections
import pickle
from collections.abc import Callable
from typing import BinaryIO

import numpy as np

_NUMERIC = frozenset("biufcSU")
"""Kinds of dtype that hold values in their own bytes: no objects, no structures."""
_CONTAINERS = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    **{(module, name): kind for module in ("builtins", "__builtin__")
       for name, kind in {"set": set, "frozenset": frozenset, "complex": complex}.items()},
}  # fmt: skip


class UnpickleError(ValueError):
    """The pickle names something other than arrays, scalars and plain containers, or is damaged."""


def load(file: BinaryIO, name: str):
    """The content of a pickle of arrays, scalars and plain containers.

    Args:
        file: opened for reading in binary.
        name: what messages call it.

    Returns:
        its content; Python 2's byte strings as text of the same code points (latin1).

    Raises:
        UnpickleError: it names anything else, which is then not called, or it ends early.
    """
    try:
        return _Unpickler(file, encoding="latin1").load()
    except UnpickleError as error:
        raise UnpickleError(f"{name}: {error}") from None
    except Exception as error:  # a damaged pickle may raise anything
        raise UnpickleError(f"{name}: is damaged or no pickle: {type(error).__name__}: {error}") from None


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        if (module, name) in _CONTAINERS:
            return _CONTAINERS[module, name]
        if module.split(".")[0] == "numpy":
            numpy_part = (module.removeprefix("numpy").lstrip(".").replace("_core", "core"), name)
            match numpy_part:
                case ("", "ndarray"):
                    return _NDARRAY
                case ("", "dtype"):
                    return _Constructor(_Dtype)
                case ("core.multiarray", "_reconstruct"):
                    return _Constructor(_empty_array)
                case ("core.multiarray", "scalar"):
                    return _Constructor(_scalar)
        if (module, name) == ("_codecs", "encode"):
            return _Constructor(_latin1_bytes)
        raise UnpickleError(f"names {module}.{name}, which is no array and no plain container; it was not run")

    def persistent_load(self, pid):
        raise UnpickleError(f"refers to {pid!r} outside itself; it was not looked up")


class _Constructor:
    """What a pickle may call. Nothing can be set on it, as it could on a function or, through it, on a method."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable):
        self._make = make

    def __call__(self, *arguments):
        return self._make(*arguments)

    def __setstate__(self, state):
        raise UnpickleError("sets attributes of a constructor; they were not set")


def _empty_array(kind, *_) -> "_Array":
    if kind is not _NDARRAY:
        raise UnpickleError("asks for an array of a class of its own; it was not made")
    return np.empty(0, dtype=np.uint8).view(_Array)


def _scalar(dtype, data=b"") -> np.generic:
    return np.frombuffer(_bytes(data), dtype=_checked(dtype), count=1)[0]


def _latin1_bytes(text, encoding="latin1") -> bytes:
    if encoding != "latin1":
        raise UnpickleError(f"asks for the codec {encoding!r}; it was not run")
    return text.encode("latin1")


_NDARRAY = "numpy.ndarray"  # stands for the class, which itself is not handed out


class _Dtype:
    """What a pickle says of a dtype, before it is believed: numpy.dtype's own state could describe anything."""

    def __init__(self, description, *_):
        self.description = description
        self.order = "="

    def __setstate__(self, state):
        self.order = state[1]


class _Array(np.ndarray):
    """An array whose content may be set once its dtype has been checked."""

    def __setstate__(self, state):
        version, shape, dtype, fortran, data = state
        super().__setstate__((version, shape, _checked(dtype), fortran, _bytes(data)))


def _checked(dtype) -> np.dtype:
    if not isinstance(dtype, _Dtype):
        raise UnpickleError(f"gives an array {type(dtype).__name__} for its dtype")
    checked = np.dtype(_text(dtype.description))
    if checked.kind not in _NUMERIC:
        raise UnpickleError(f"holds an array of {checked}; only numbers and text are read")
    return checked if dtype.order in ("=", "|") else checked.newbyteorder(_text(dtype.order))


def _text(value) -> str:
    if not isinstance(value, str):
        raise UnpickleError(f"describes a dtype by {type(value).__name__}; only its short name is read")
    return value


def _bytes(data) -> bytes:
    """The content of an array, which Python 2 wrote as a string; objects in a list are refused."""
    if isinstance(data, str):
        return data.encode("latin1")
    if isinstance(data, bytes):
        return data
    raise UnpickleError(f"fills an array from {type(data).__name__}; only bytes are read")
