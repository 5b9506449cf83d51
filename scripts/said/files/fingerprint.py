"""A digest of named tensors or arrays: what a result follows from, in 16 digits."""

import hashlib
from collections.abc import Mapping

import torch


def digest(arrays: Mapping) -> str:
    """A short digest of named tensors or arrays, to be part of an identity."""
    state = hashlib.sha256()
    for name in sorted(arrays):
        value = torch.as_tensor(arrays[name]).detach().cpu().contiguous()
        state.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        state.update(value.numpy().tobytes())
    return state.hexdigest()[:16]
