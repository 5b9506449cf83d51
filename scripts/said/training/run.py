"""One run of a training: where it computes, and what it leaves beside the weights."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from said.compute import Compute
from said.training.checkpoint import Checkpoint
from said.training.journal import Journal


@dataclass(frozen=True)
class Run:
    """How a training runs. Nothing here changes what is learnt, but the device and the arithmetic of `compute`.

    Attributes:
        name: for progress lines.
        compute: device and arithmetic.
        checkpoint: keeps the state while training; a run that finds one goes on from there.
        events: TensorBoard file of the history.
        report: gets progress, a line at a time.
    """

    name: str
    compute: Compute = Compute()
    checkpoint: Checkpoint | None = None
    events: Path | None = None
    report: Callable[[str], None] = print

    def journal(self, identity: dict) -> Journal:
        """The journal of a training whose weights follow from `identity`, the seed and the arithmetic."""
        identity = {"precision": self.compute.precision, **identity}
        return Journal(self.name, identity, checkpoint=self.checkpoint, events=self.events, report=self.report)

    def stage(self, name: str) -> "Run":
        """The run of an earlier stage, whose checkpoint and events lie beside those of the last."""
        return replace(
            self,
            name=f"{self.name} {name}",
            checkpoint=None if self.checkpoint is None else self.checkpoint.beside(name),
            events=None if self.events is None else self.events.with_name(name) / self.events.name,
        )
