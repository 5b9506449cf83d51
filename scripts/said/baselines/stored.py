"""Models of Table 1 in this project's files, as those read them that find their sizes in the tensors' shapes."""

from typing import Any

from torch import Tensor

from said.files.tensors import read_tensors
from said.running.atomic import PathLike


def read_stored(path: PathLike, form: str, noun: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts that `said.files.models.save_model` wrote.

    Args:
        form: the kind of model, as given to `save_model`.
        noun: what the file should hold, for messages.

    Raises:
        ValueError: the file holds another kind of model.
        UnreadableError: it is damaged, or no safetensors file.
    """
    tensors, facts = read_tensors(path)
    if facts.get("format") != form:
        raise ValueError(f"{path}: not {noun} written by this project")
    return tensors, facts
