"""Published state dicts: sizes read off their shapes, every key held to them."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from said.files.tensors import mismatches

Model = TypeVar("Model", bound=nn.Module)
_LEGACY = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
"""What PyTorch, before version 2, called the two parts of a normalised weight, and published files still do."""


def read_size(state: Mapping[str, Tensor], axes: Mapping[str, int], default: int) -> int:
    """A size that several tensors tell, by the majority, so that one of the wrong shape is not taken at its word.

    Args:
        axes: keys, or their last parts, and the axis that has the size.
        default: where no tensor tells.
    """
    told = Counter(
        value.shape[axis]
        for ending, axis in axes.items()
        for name, value in state.items()
        if f".{name}".endswith(f".{ending}") and value.ndim > axis
    )
    return told.most_common(1)[0][0] if told else default


def count_layers(state: Mapping[str, Tensor], prefix: str, default: int) -> int:
    """How many numbered layers lie under `prefix`, by the majority of what layers have, so that one may lack a key."""
    kinds = Counter(name.removeprefix(prefix).partition(".")[2] for name in state if name.startswith(prefix))
    return Counter(kinds.values()).most_common(1)[0][0] if kinds else default


def from_state(build: Callable[[], Model], state: Mapping[str, Tensor], what: str) -> Model:
    """A model that takes its weights from a published state dict, in evaluation mode and single precision.

    It is built without storage: no random weights are drawn only to be replaced. The tensors are copied.

    Args:
        build: makes the module.
        what: the weights should be, for messages: "FaceFormer".

    Raises:
        ValueError: lists every missing, unexpected and misshapen key.
    """
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        module = build()
    names = {_published(name, ()): name for name in module.state_dict()}
    given = {_published(name, state): value for name, value in state.items()}
    faults = mismatches({name: module.state_dict()[own] for name, own in names.items()}, given)
    if faults:
        raise ValueError("\n".join([f"not the weights of {what}:", *faults]))
    copies = {names[name]: value.detach().to(torch.float32, copy=True) for name, value in given.items()}
    module.load_state_dict(copies, assign=True)
    return module.eval()


def _published(name: str, taken: Mapping[str, Tensor] | tuple) -> str:
    for own, legacy in _LEGACY.items():
        if name.endswith(own) and (renamed := name.removesuffix(own) + legacy) not in taken:
            return renamed
    return name
