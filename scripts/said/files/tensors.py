"""Tensors in files: our own as safetensors, those of others as state dicts, and models that must fit them exactly."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from said.running.atomic import PathLike, atomic
from said.running.integrity import reading


def read_tensors(path: PathLike, device: str = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Named tensors and the metadata of a safetensors file.

    Returns:
        the tensors by name, and the metadata: what `write_tensors` was given.

    Raises:
        UnreadableError: the file is damaged, or no safetensors file.
    """
    from safetensors import safe_open

    with reading(path), safe_open(path, framework="pt", device=device) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        metadata = file.metadata() or {}
    return tensors, json.loads(metadata.get("metadata", "{}"))


def read_metadata(path: PathLike) -> dict:
    """The metadata of a safetensors file, without reading its tensors."""
    from safetensors import safe_open

    with reading(path), safe_open(path, framework="pt") as file:
        return json.loads((file.metadata() or {}).get("metadata", "{}"))


def write_tensors(path: PathLike, tensors: Mapping, metadata: dict | None = None) -> None:
    """Write named tensors as safetensors, with JSON-able metadata in the same file."""
    from safetensors.torch import save_file

    header = {"metadata": json.dumps(metadata or {}, sort_keys=True)}
    with atomic(path) as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, temporary, header)


def read_state_dict(path: PathLike, inside: str | None = None) -> dict:
    """A published PyTorch state dict (.pth): tensors by name. No code in the file is run.

    Args:
        inside: the key under which a file holds it that holds more; None: the file holds nothing else.

    Raises:
        ValueError: the file holds anything else.
    """
    import pickle

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError, RuntimeError) as error:
        raise ValueError(
            f"{path}: refused, not a state dict of plain tensors; reading it could run code that it brings along, or it"
            f" is not whole ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        ) from error
    if inside is not None:
        state = state.get(inside) if isinstance(state, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"{path}: refused, not a state dict: names and their tensors")
    return state


def write_state_dict(path: PathLike, tensors: Mapping) -> None:
    """Write named tensors as a PyTorch state dict (.pth), which the authors' programs read.

    This is the only pickle that the project writes, because their programs ask for it: a plain dict of tensors, which
    `torch.load(..., weights_only=True)` accepts. The same tensors give the same bytes.
    """
    plain = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }
    # Given a path, torch.save would write the temporary file's name into the archive.
    with atomic(path) as temporary, temporary.open("wb") as file:
        torch.save(plain, file)


@torch.no_grad()
def load_strict(
    module: nn.Module,
    state: Mapping[str, Tensor],
    source: PathLike,
    buffers: Iterable[str] = (),
    *,
    assign: bool = False,
) -> None:
    """Load a state dict whose keys and shapes must be exactly those of the module.

    Args:
        source: of the state dict, for messages.
        buffers: names of buffers that are not in the module's own state dict, but in `state`.
        assign: use the tensors themselves, in the module's precision, for one that was built on the device "meta".

    Raises:
        ValueError: the message lists every missing, unexpected and misshapen key.
    """
    apart = {name: module.get_buffer(name) for name in buffers}
    own = module.state_dict()
    faults = mismatches(own | apart, state)
    if faults:
        raise ValueError("\n".join([f"{source}: not the weights of {type(module).__name__}:", *faults]))
    values = {name: value.to(own[name].dtype) for name, value in state.items() if name not in apart}
    module.load_state_dict(values, assign=assign)
    for name, buffer in apart.items():
        buffer.copy_(state[name])


def mismatches(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """A line for every key of `state` that is missing, unexpected or misshapen, compared with those of `own`."""
    faults = [f"  missing: {name} {tuple(own[name].shape)}" for name in own if name not in state]
    faults += [f"  unexpected: {name} {tuple(state[name].shape)}" for name in state if name not in own]
    faults += [
        f"  wrong shape: {name} is {tuple(state[name].shape)}, expected {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    return faults
