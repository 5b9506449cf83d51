"""Models in files: how all weights are written and read, ours and those of others.

A file must hold every tensor of the model in its shape, and no others; messages list those that are missing, unexpected
or misshapen.
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
        facts: what else is needed to build it; JSON-able.
        buffers: names of the module's buffers that are not in its state dict, but should be in the file.
    """
    tensors = module.state_dict() | {name: module.get_buffer(name) for name in buffers}
    write_tensors(path, tensors, {"format": form, **(facts or {})})


def load_model(
    path: PathLike, form: str, noun: str, build: Callable[[dict], Model], buffers: Iterable[str] = ()
) -> Model:
    """Read what `save_model` wrote, in evaluation mode.

    Args:
        form: the kind of model, as given to `save_model`.
        noun: what the file should hold, for messages, such as "a SAiD model".
        build: builds the module from the facts that were saved with it; parts may be on the device "meta".
        buffers: as given to `save_model`.

    Raises:
        ValueError: the file holds no such model, or its tensors do not fit: the message lists those that are missing,
            unexpected or misshapen.
        UnreadableError: it is damaged or no safetensors file, or no module can be built from its facts.
    """
    tensors, facts = read_tensors(path)
    if facts.get("format") != form:
        raise ValueError(f"{path}: not {noun} written by this project")
    with reading(path):
        module = build(facts)
    unbuilt = any(value.is_meta for value in module.state_dict().values())
    load_strict(module, tensors, path, buffers, assign=unbuilt)
    return module.eval()


def load_published(
    path: PathLike, build: Callable[[dict[str, Tensor]], Model], defaults: Mapping[str, Tensor] | None = None
) -> Model:
    """Read a published state dict, in evaluation mode; pickled code in it is not run.

    Args:
        build: builds the module, whose sizes it may take from the state dict.
        defaults: the values of tensors that may be absent.

    Raises:
        ValueError: the file is no state dict, or its tensors do not fit: the message lists those that are missing,
            unexpected or misshapen.
    """
    state = read_state_dict(path)
    try:
        module = build(state)
    except (ValueError, LookupError) as error:
        raise ValueError(f"{path}: no model has tensors of these shapes ({error})") from None
    load_strict(module, {**(defaults or {}), **state}, path)
    return module.eval()
