"""State of a training between its steps, in one safetensors file that is replaced atomically."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from said.io import read_tensors, write_tensors

_FORMAT = "said-checkpoint-1"


@dataclass(frozen=True)
class State:
    """What a checkpoint file holds."""

    tensors: dict[str, Tensor]
    metadata: dict

    @torch.no_grad()
    def restore(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        average: dict[str, Tensor],
        best: dict[str, Tensor],
        extra: Mapping[str, Tensor],
    ) -> tuple[int, list[dict]]:
        """Put everything back in place; returns the number of steps done and the history."""
        model.load_state_dict(self._part("model"))
        for key, value in self._part("average").items():
            average[key].copy_(value)
        device = next(iter(average.values())).device
        best.update({key: value.to(device) for key, value in self._part("best").items()})
        for key, value in self._part("extra").items():
            extra[key].copy_(value)
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in self._part("optimizer").items():
            index, moment = key.split(".")
            moments.setdefault(int(index), {})[moment] = value
        optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
        return self.metadata["step"], self.metadata["history"]

    def _part(self, name: str) -> dict[str, Tensor]:
        prefix = name + "/"
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}


class Checkpoint:
    """The checkpoint of one training, with the one before it as a reserve.

    Args:
        path: the file; None: nothing is written or read.
        identity: what the weights follow from; a checkpoint of another identity is named and put aside.
        report: is told what was found.
    """

    def __init__(self, path: Path | None, identity: dict, report: Callable[[str], None]):
        self.path = None if path is None else Path(path)
        self.identity = json.loads(json.dumps(identity, sort_keys=True))
        self.report = report

    @property
    def reserve(self) -> Path:
        return self.path.with_name(self.path.name + ".previous")

    def read(self) -> State | None:
        """The newest state that is whole and of this training; None where there is none."""
        if self.path is None:
            return None
        for path in (self.path, self.reserve):
            if not path.exists():
                continue
            try:
                tensors, metadata = read_tensors(path)
                if metadata.get("format") != _FORMAT:
                    raise ValueError("not a checkpoint")
            except Exception as error:  # safetensors raises its own kinds for damaged files
                self.report(f"{path}: damaged ({error}); the checkpoint before it is tried")
                continue
            if metadata["identity"] != self.identity:
                differing = sorted(_differences(metadata["identity"], self.identity))
                self.report(f"{path}: is of a training with another {', '.join(differing)}; starts anew")
                continue
            return State(tensors, metadata)
        return None

    def write(self, model, optimizer, average, best, extra, step: int, history: list[dict]) -> None:
        if self.path is None:
            return
        parts = {
            "model": model.state_dict(),
            "average": average,
            "best": best,
            "extra": extra,
            "optimizer": {
                f"{index}.{moment}": value
                for index, moments in optimizer.state_dict()["state"].items()
                for moment, value in moments.items()
            },
        }
        # Cloned, because tensors that share memory are refused.
        tensors = {f"{part}/{key}": value.clone() for part, values in parts.items() for key, value in values.items()}
        metadata = {"format": _FORMAT, "identity": self.identity, "step": step, "history": history}
        if self.path.exists():
            self.path.replace(self.reserve)
        write_tensors(self.path, tensors, metadata)

    def remove(self) -> None:
        """The training is done: what it made is kept by the caller."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
            self.reserve.unlink(missing_ok=True)


def digest(arrays: Mapping) -> str:
    """A short digest of named tensors or arrays, to be part of an identity."""
    state = hashlib.sha256()
    for name in sorted(arrays):
        state.update(str(name).encode())
        state.update(torch.as_tensor(arrays[name]).detach().cpu().contiguous().numpy().tobytes())
    return state.hexdigest()[:16]


def _differences(first, second, name: str = "") -> set[str]:
    """Names of the settings in which two nested dicts differ."""
    if isinstance(first, dict) and isinstance(second, dict):
        return set().union(
            *(
                _differences(first.get(key), second.get(key), f"{name}.{key}" if name else key)
                for key in first.keys() | second.keys()
            )
        )
    return set() if first == second else {name}
