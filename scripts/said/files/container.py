"""The first sound of a container (MP4, Matroska, MP3, AAC and others), block by block, as FFmpeg decodes it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import av
    from av.audio.stream import AudioStream
    from av.container import InputContainer

AGAIN = "get or export it again, or save what there is of it as a new file with an audio editor"
SLACK = {"mov": 0.1, "matroska": 0.1, "flac": 0.0, "nistsphere": 0.0}
"""Formats that state their length, and by how many seconds it may be too long: they count frames or milliseconds."""
_LARGEST_GAP = 600
"""The most seconds of silence that a container may leave out."""
_TIMED = ("mov", "matroska", "ogg")
"""Containers that may leave silence out; in other streams, a leap in time is a fault."""


class AudioError(ValueError):
    """A sound file cannot be read or used; the message has the reason and the remedy."""


class ContainerSound:
    """The first audio stream of a container, with the container's timing.

    Args:
        source: the file.
        kind: FFmpeg's name of its format.

    Attributes:
        rate: samples per second; 0 before the first block.
        length: samples that `blocks` has given so far.
        declared: seconds that the container states; 0 where it states none.
    """

    def __init__(self, source: BinaryIO, kind: str):
        self.source, self.kind = source, kind
        self.rate, self.length, self.declared = 0, 0, 0.0
        self._reached = 0.0

    @property
    def shortfall(self) -> tuple[float, float] | None:
        """Seconds that were recorded and seconds that are there, where some are missing; after the last block."""
        found = self.length / (self.rate or 1)
        found = max(self._reached, found) if self.kind == "matroska" else found
        missing = found + SLACK.get(self.kind, 0.0) + 1e-6 < self.declared
        return (self.declared, found) if missing else None

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """The sound, in blocks (T, channels) with 1 for full scale.

        Raises:
            AudioError: there is none, or it cannot be decoded beyond what was given.
        """
        import av

        try:
            with av.open(self.source, "r", format=self.kind) as container:
                if not container.streams.audio:
                    raise AudioError("it holds no sound")
                stream = container.streams.audio[0]
                self.rate = stream.rate
                yield from self._decoded(container, stream, av.AudioResampler(format="fltp"))
                self.declared = _declared_seconds(container, stream) if self.kind in SLACK else 0.0
        except (AudioError, MemoryError):
            raise
        except Exception as error:  # PyAV raises FFmpeg's errors, and Python's own besides
            reason = getattr(error, "strerror", None) or type(error).__name__
            place = self.length / (self.rate or 1)
            raise AudioError(f"it cannot be decoded beyond {place:.3f} s ({reason}); {AGAIN}") from None

    def _decoded(
        self, container: "InputContainer", stream: "AudioStream", resampler: "av.AudioResampler"
    ) -> Iterator[NDArray[np.float32]]:
        origin, left_out = None, 0
        for packet in container.demux():
            if packet.pts is not None:
                end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                counts = packet.stream.type != "audio" or packet.stream == stream
                self._reached = max(self._reached, end) if counts else self._reached
            if packet.stream != stream:
                continue
            for frame in cast("list[av.AudioFrame]", packet.decode()):
                begin = self.length
                if frame.pts is not None and frame.time_base is not None:
                    begin = round(frame.pts * frame.time_base * self.rate)
                origin = max(0, begin) if origin is None else origin
                for part in resampler.resample(frame):
                    block = part.to_ndarray().T.astype(np.float32, copy=False)  # (samples, channels)
                    gap = begin - origin - self.length
                    if self.length and gap > 0.02 * self.rate:  # left out, for silence
                        left_out += gap
                        if self.kind not in _TIMED or left_out > _LARGEST_GAP * self.rate:
                            raise AudioError(f"its times leap at {self.length / self.rate:.3f} s; {AGAIN}")
                        self.length += gap
                        yield np.zeros((gap, block.shape[1]), np.float32)
                    block = block[max(0, -begin) if not self.length else 0 :]
                    self.length += len(block)
                    yield block


def _declared_seconds(container: "InputContainer", stream: "AudioStream") -> float:
    """Length of a stream, in seconds, as its container states it; 0 where it does not."""
    if stream.duration is not None and stream.time_base is not None:
        begin = min(0, stream.start_time or 0)  # what comes before time 0 is not part of the sound
        return float((stream.duration + begin) * stream.time_base)
    return (container.duration or 0) / 1e6
