"""State of a training between its steps: safetensors files that are replaced atomically and checked when read."""

import copy
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from said.files.fingerprint import digest
from said.files.tensors import load_strict, mismatches, read_metadata, read_tensors, write_tensors
from said.running.atomic import PathLike
from said.running.interruption import Interruption

_FORMAT = "said-checkpoint-2"


@dataclass
class TrainingState:
    """Everything that a training's next step follows from.

    The learning rate and all random numbers follow from the step (see `said.training.course`), so that scheduler and
    generators have no state of their own.

    Attributes:
        model: its weights and buffers.
        optimizer: its moments.
        average: the averaged weights.
        best: the averaged weights, and the buffers, that validation has chosen so far.
        extra: tensors that the objective changes in place.
        sums: of the loss and its terms since the last record of the history.
        step: number of steps done.
        seconds: spent on them.
        history: one record per validation.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: dict[str, Tensor]
    extra: Mapping[str, Tensor] = field(default_factory=dict)
    best: dict[str, Tensor] = field(default_factory=dict)
    sums: dict[str, Tensor] = field(default_factory=dict)
    step: int = 0
    seconds: float = 0.0
    history: list[dict] = field(default_factory=list)

    def tensors(self) -> dict[str, Tensor]:
        """Copies of all tensors on the CPU, by part and name."""
        parts = {
            "model": self.model.state_dict(),
            "average": self.average,
            "best": self.best,
            "extra": self.extra,
            "sums": self.sums,
            "optimizer": {
                f"{index}.{moment}": value
                for index, moments in self.optimizer.state_dict()["state"].items()
                for moment, value in moments.items()
            },
        }
        # Copied, because safetensors refuses tensors that share memory.
        return {
            f"{part}/{name}": value.detach().to("cpu", copy=True)
            for part, values in parts.items()
            for name, value in values.items()
        }

    def metadata(self) -> dict:
        return {"step": self.step, "seconds": self.seconds, "history": self.history}

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor], metadata: dict, source: PathLike = "checkpoint") -> None:
        """Put back what `tensors` and `metadata` gave.

        Raises:
            ValueError: lists every missing, unexpected and misshapen tensor.
        """
        parts: dict[str, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            part, name = key.split("/", 1)
            parts.setdefault(part, {})[name] = value
        faults = mismatches(self.average, parts.get("average", {})) + mismatches(self.extra, parts.get("extra", {}))
        if faults:
            raise ValueError("\n".join([f"{source}: not the state of this training:", *faults]))
        load_strict(self.model, parts.get("model", {}), source)
        for own, saved in ((self.average, parts["average"]), (self.extra, parts.get("extra", {}))):
            for name, value in saved.items():
                own[name].copy_(value)
        device = next(iter(self.average.values())).device
        self.best = {name: value.to(device) for name, value in parts.get("best", {}).items()}
        self.sums = {name: value.to(device) for name, value in parts.get("sums", {}).items()}
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in parts.get("optimizer", {}).items():
            index, moment = key.split(".")
            moments.setdefault(int(index), {})[moment] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        self.step, self.seconds, self.history = metadata["step"], metadata["seconds"], metadata["history"]


class Checkpoint:
    """The checkpoint of one training, and the one before it.

    Used as a context: when the block ends without an error the files are removed, so that they outlive whatever happens
    before the result is written.

        with Checkpoint(path) as checkpoint:
            weights, history = train(..., checkpoint=checkpoint)
            save(weights)

    A digest of what the training follows from, its identity, becomes part of the file's name. So after an edit of the
    configuration a training starts anew, and goes on from where it was when the edit is taken back.

    Args:
        path: the file, before the digest is added to its stem.
        deadline: time (seconds of the epoch) by which the process must have ended; see `said.running.interruption`.
        save_every: seconds between two writes, besides those at each validation.
    """

    def __init__(self, path: PathLike, deadline: float | None = None, save_every: float = 600.0):
        self.stem = Path(path)
        self.path = self.stem
        self.deadline = deadline
        self.save_every = save_every
        self.identity: dict = {}
        self._stages: list[Checkpoint] = []

    def beside(self, stage: str) -> "Checkpoint":
        """The checkpoint of an earlier stage of the same training.

        Its files are removed with this one's, so that a stage that is finished is found finished.
        """
        other = copy.copy(self)
        other.stem = other.path = self.stem.with_name(f"{stage}_{self.stem.name}")
        other.identity, other._stages = {}, []
        self._stages.append(other)
        return other

    def __enter__(self) -> "Checkpoint":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            for checkpoint in (self, *self._stages):
                for path in (checkpoint.path, checkpoint.reserve, checkpoint._fresh):
                    path.unlink(missing_ok=True)

    @property
    def reserve(self) -> Path:
        """The checkpoint before the last one."""
        return self.path.with_name(self.path.name + ".previous")

    @property
    def _fresh(self) -> Path:
        return self.path.with_name(self.path.name + ".new")

    def interruption(self) -> Interruption:
        """What tells the training to stop: a signal, or the deadline."""
        return Interruption(self.deadline)

    def restore(self, state: TrainingState, identity: dict, report: Callable[[str], None]) -> bool:
        """Put the newest whole state of the training with this identity into `state`.

        Checkpoints of other trainings beside it are named, with what distinguishes them, and left alone; a damaged one
        is named, removed, and the one before it taken.

        Returns:
            whether there was one.

        Raises:
            ValueError: the file is of another training than its name says.
        """
        self.identity = json.loads(json.dumps(identity, sort_keys=True))
        text = json.dumps(self.identity, sort_keys=True)
        self.path = self.stem.with_stem(f"{self.stem.stem}-{hashlib.sha256(text.encode()).hexdigest()[:12]}")
        for leftover in self.path.parent.glob(f".{self.path.name}*"):  # of a process that was killed while it wrote
            leftover.unlink(missing_ok=True)
        self._name_others(report)
        for path in (self.path, self.reserve):
            if not path.exists():
                continue
            try:
                tensors, metadata = read_tensors(path)
                checksum = metadata.pop("checksum", None)
                if checksum != _checksum(tensors, metadata):
                    raise ValueError("its content does not have the checksum that was written with it")
            except Exception as error:  # safetensors raises its own kinds for damaged files
                report(f"{path}: damaged and removed ({error}); the checkpoint before it is tried")
                path.unlink()
                continue
            if metadata["identity"] != self.identity:
                raise ValueError(
                    f"{path}: is a checkpoint of another training: {self._differences(metadata['identity'])}. "
                    "Remove the file, or restore those settings"
                )
            state.restore(tensors, metadata, path)
            return True
        return False

    def write(self, state: TrainingState) -> None:
        """Keep a state, and the one written before it as a reserve."""
        tensors = state.tensors()
        metadata = {"format": _FORMAT, "identity": self.identity, **state.metadata()}
        metadata = json.loads(json.dumps(metadata))
        write_tensors(self._fresh, tensors, {**metadata, "checksum": _checksum(tensors, metadata)})
        if self.path.exists():
            self.path.replace(self.reserve)
        self._fresh.replace(self.path)

    def _name_others(self, report: Callable[[str], None]) -> None:
        for path in sorted(self.stem.parent.glob(f"{self.stem.stem}-*{self.stem.suffix}")):
            if path == self.path:
                continue
            try:
                metadata = read_metadata(path)
                differences = self._differences(metadata["identity"])
            except Exception:
                report(f"{path}: no readable checkpoint; not continued")
                continue
            report(
                f"{path}: not continued, because it is of another training: {differences}. It is kept, and goes on "
                f"from step {metadata['step']} once those settings return; remove it if they will not"
            )

    def _differences(self, other: dict) -> str:
        return ", ".join(f"{name} {old} -> {new}" for name, old, new in sorted(_differing(other, self.identity)))


def _checksum(tensors: Mapping[str, Tensor], metadata: dict) -> str:
    return f"{digest(tensors)}-{hashlib.sha256(json.dumps(metadata, sort_keys=True).encode()).hexdigest()[:16]}"


def _differing(old: object, new: object, name: str = "") -> list[tuple[str, str, str]]:
    """Name, old and new value of the settings in which two nested dicts differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            difference
            for key in old.keys() | new.keys()
            for difference in _differing(
                old.get(key, "(absent)"), new.get(key, "(absent)"), f"{name}.{key}" if name else key
            )
        ]
    return [] if old == new else [(name, str(old), str(new))]
