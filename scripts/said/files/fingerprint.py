"""A digest of named tensors or arrays, in 16 digits, by which the inputs of a result are recognised."""

import hashlib
from collections.abc import Mapping

import torch


def digest(arrays: Mapping) -> str:
    """A digest of named tensors or arrays, 16 hexadecimal digits: of names, types, shapes and values."""
    state = hashlib.sha256()
    for name in sorted(arrays):
        value = torch.as_tensor(arrays[name]).detach().cpu().contiguous()
        state.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        state.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return state.hexdigest()[:16]
