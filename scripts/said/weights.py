"""State dicts that must fit exactly."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from said.io import PathLike


@torch.no_grad()
def load_strict(
    module: nn.Module,
    state: Mapping[str, Tensor],
    source: PathLike,
    buffers: Iterable[str] = (),
    *,
    assign: bool = False,
) -> None:
    """Load a state dict whose keys and shapes must be exactly the module's.

    Args:
        buffers: names of buffers that the module's own state dict leaves out, and `state` has.
        assign: take the tensors themselves, for a module that was built on the device "meta".

    Raises:
        ValueError: lists every missing, unexpected and misshapen key.
    """
    apart = {name: module.get_buffer(name) for name in buffers}
    faults = mismatches(module.state_dict() | apart, state)
    if faults:
        raise ValueError("\n".join([f"{source}: not the weights of {type(module).__name__}:", *faults]))
    module.load_state_dict({name: value for name, value in state.items() if name not in apart}, assign=assign)
    for name, buffer in apart.items():
        buffer.copy_(state[name])


def mismatches(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """A line for every key of `state` that is missing, unexpected or misshapen, `own` being what is expected."""
    faults = [f"  missing: {name} {tuple(own[name].shape)}" for name in own if name not in state]
    faults += [f"  unexpected: {name} {tuple(state[name].shape)}" for name in state if name not in own]
    faults += [
        f"  wrong shape: {name} is {tuple(state[name].shape)}, expected {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    return faults
