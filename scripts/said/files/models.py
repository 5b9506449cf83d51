"""Models in files: the one way in which weights are written and read, whoever wrote them.

Every tensor must be there, of the right shape, and no other: what is missing, unexpected or misshapen is named.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from torch import Tensor, nn

from said.files.tensors import load_strict, read_state_dict, read_tensors, write_tensors
from said.running.atomic import PathLike
from said.running.integrity import reading

Model = TypeVar("Model", bound=nn.Module)


def save_model(
    path: PathLike, module: nn.Module, form: str, facts: Mapping | None = None, buffers: Iterable[str] = ()
) -> None:
    """Write a model as safetensors.

    Args:
        form: what kind of model it is; `load_model` takes no other.
        facts: what else is needed to build it, as JSON has it.
        buffers: names of tensors of the module that its state dict leaves out, and the file should not.
    """
    tensors = module.state_dict() | {name: module.get_buffer(name) for name in buffers}
    write_tensors(path, tensors, {"format": form, **(facts or {})})


def load_model(
    path: PathLike, form: str, noun: str, build: Callable[[dict], Model], buffers: Iterable[str] = ()
) -> Model:
    """Read what `save_model` wrote, in evaluation mode.

    Args:
        noun: what the file should hold, for messages: "a SAiD model".
        build: makes the module from the facts that were saved with it.
        buffers: as `save_model` was given them.

    Raises:
        ValueError: the file holds no such model, or lists every missing, unexpected and misshapen tensor.
        UnreadableError: it is no safetensors file, or no module can be built from its facts.
    """
    tensors, facts = read_tensors(path)
    if facts.get("format") != form:
        raise ValueError(f"{path}: not {noun} written by this project")
    with reading(path):
        module = build(facts)
    load_strict(module, tensors, path, buffers)
    return module.eval()


def load_published(
    path: PathLike, build: Callable[[dict[str, Tensor]], Model], defaults: Mapping[str, Tensor] | None = None
) -> Model:
    """Read a published state dict, in evaluation mode; pickled code in it is not run.

    Args:
        build: makes the module, whose sizes it may read off the state dict.
        defaults: tensors that may be absent, and what they are then.

    Raises:
        ValueError: the file is no state dict, or lists every missing, unexpected and misshapen tensor.
    """
    state = read_state_dict(path)
    try:
        module = build(state)
    except (ValueError, LookupError) as error:
        raise ValueError(f"{path}: no model has tensors of these shapes ({error})") from None
    load_strict(module, {**(defaults or {}), **state}, path)
    return module.eval()
