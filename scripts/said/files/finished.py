"""What an interrupted job has already computed: arrays by name, in a folder that is removed when the job is done."""

import hashlib
import json
import shutil
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from said.files.arrays import read_arrays, write_arrays
from said.running.integrity import has_sums, verify, write_sums


class Finished:
    """A folder of finished arrays; as a context manager it is removed when the block ends without an exception.

    Args:
        folder: beside the job's output; it is created when first written to. With None, nothing is kept.
        identity: JSON-able, all that the arrays depend on. Arrays of another identity are ignored.
    """

    def __init__(self, folder: Path | None, identity: object):
        self.folder = None if folder is None else Path(folder)
        self.identity = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def __enter__(self) -> "Finished":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if kind is None and self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def read(self, name: str) -> NDArray | None:
        """The array of that name; None where it is not finished, is damaged, or has another identity."""
        if self.folder is None:
            return None
        path = self.folder / f"{name}.npz"
        try:
            if not has_sums(path):
                return None
            verify([path], latency=0.0)
            arrays = read_arrays(path)
        except Exception:  # absent or damaged: it is computed again
            return None
        return arrays["values"] if arrays.get("identity") == np.array(self.identity) else None

    def write(self, name: str, values: NDArray) -> None:
        """Keep the array of that name, if there is a folder to keep it in."""
        if self.folder is not None:
            path = self.folder / f"{name}.npz"
            write_arrays(path, {"values": values, "identity": np.array(self.identity)})
            write_sums(path)
