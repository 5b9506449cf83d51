"""FLAME as it is distributed: a pickle of Python 2 that names classes of chumpy and scipy, or an npz of the same keys.

The pickle is not run, and neither library is needed: what they wrapped is read as plain arrays.
"""

from pathlib import Path

from said.files.arrays import read_arrays
from said.headpose.flame import Flame, FlameError
from said.running.atomic import PathLike
from said.vocaset import unpickle

_SPARSE = ("scipy.sparse.csc", "scipy.sparse._csc")
_RECORDS = frozenset({("chumpy.ch", "Ch"), *((module, "csc_matrix") for module in _SPARSE)})
"""Classes whose state is read, and which are not made."""


def read_flame(path: PathLike) -> Flame:
    """The model in a file of the user's own: generic_model.pkl, or an npz of the same keys.

    Raises:
        FlameError: it is no FLAME model.
        UnpickleError: it is damaged, or names what is neither an array nor one of those classes.
        UnreadableError: it is a damaged npz.
        FileNotFoundError: it is not there.
    """
    path = Path(path)
    if path.suffix == ".npz":
        content = read_arrays(path)
    else:
        with path.open("rb") as file:
            content = unpickle.load(file, str(path), records=_RECORDS)
    if not isinstance(content, dict):
        raise FlameError(f"{path}: holds {type(content).__name__}, expected the keys of a FLAME model")
    return Flame.of(content, str(path))
