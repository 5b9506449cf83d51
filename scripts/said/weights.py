"""State dicts that must fit exactly."""

from torch import Tensor, nn

from said.io import PathLike


def load_strict(module: nn.Module, state: dict[str, Tensor], source: PathLike) -> None:
    """Load a state dict whose keys and shapes must be exactly the module's.

    Raises:
        ValueError: lists every missing, unexpected and misshapen key.
    """
    faults = mismatches(module.state_dict(), state)
    if faults:
        raise ValueError("\n".join([f"{source}: not the weights of {type(module).__name__}:", *faults]))
    module.load_state_dict(state)


def mismatches(own: dict[str, Tensor], state: dict[str, Tensor]) -> list[str]:
    """A line for every key of `state` that is missing, unexpected or misshapen, `own` being what is expected."""
    faults = [f"  missing: {name} {tuple(own[name].shape)}" for name in own if name not in state]
    faults += [f"  unexpected: {name} {tuple(state[name].shape)}" for name in state if name not in own]
    faults += [
        f"  wrong shape: {name} is {tuple(state[name].shape)}, expected {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    return faults
