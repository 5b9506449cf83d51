"""The history of a training as TensorBoard shows it."""

import time
from collections.abc import Mapping
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]  # protobuf makes it while importing
from tensorboardX.record_writer import RecordWriter

from said.running.atomic import naming_full_disk


class History:
    """Scalars in TensorBoard's format, readable while they are written.

    The file begins anew each time with the records so far, so that a training that goes on writes no point twice.

    Args:
        path: the file, `events.out.tfevents` somewhere below TensorBoard's folder.
        records: of the training so far: dicts of scalars with step and seconds.
        seconds: that the training has taken so far.
    """

    def __init__(self, path: Path, records: list[dict], seconds: float):
        self._path = path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = RecordWriter(str(path))
        self._began = time.time() - seconds
        self._append(Event(file_version="brain.Event:2"))
        for record in records:
            self.write(record)

    def write(self, record: Mapping[str, float]) -> None:
        """Add a record."""
        event = Event(step=record["step"], wall_time=self._began + record["seconds"])
        for name, value in record.items():
            if name not in ("epoch", "step", "seconds"):
                event.summary.value.add(tag=name, simple_value=value)
        self._append(event)

    def close(self) -> None:
        self._file.close()

    def _append(self, event: Event) -> None:
        with naming_full_disk(self._path):
            self._file.write(event.SerializeToString())
            self._file.flush()
