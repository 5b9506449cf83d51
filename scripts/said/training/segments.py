"""Segments of clips as MeshTalk is trained on them: geometry in millimetres, and the speech around every frame."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from said.baselines.clips import MeshClip
from said.baselines.log_mel import STEPS, Centres, chunks, heard_frames, log_mel, normalise, span_log_mels
from said.baselines.meshtalk import AudioEncoder
from said.compute import Compute
from said.waveforms import prepare_waveform

_MILLIMETRES = 1000.0
_LEAST_DEVIATION = 1.0
"""Of a band: padding is far from the mean of one that hardly varies."""


@dataclass(frozen=True)
class Segment:
    """Segments of one length, on the device.

    Attributes:
        geometry: (B, T, V, 3) millimetres.
        template: (B, V, 3) millimetres.
        codes: gives their speech codes (B, T, 128).
    """

    geometry: Float[Tensor, "B T V 3"]
    template: Float[Tensor, "B V 3"]
    codes: Callable[[AudioEncoder], Tensor]


class Segments:
    """Clips of one split, cut into segments.

    Args:
        fps: frames per second.
        centres: where they lie in the audio. With steps, the spectrogram of each clip is computed once and kept.

    Raises:
        ValueError: a clip's speech is shorter than a frame.
    """

    def __init__(self, clips: Sequence[MeshClip], fps: int, centres: Centres, compute: Compute):
        self.clips = clips
        self.fps = fps
        self.centres: Centres = centres
        self.compute = compute
        self.standard: tuple[Tensor, Tensor] | None = None
        """(80, 1) mean and deviation of each band, by which spectrograms are standardised; None: they are not."""
        self.spans: dict[int, tuple[Tensor, Tensor]] = {}
        self.waveforms = [prepare_waveform(clip.waveform, clip.rate) for clip in clips]
        heard = [heard_frames(len(waveform), fps, centres) for waveform in self.waveforms]
        self.lengths = [min(len(clip.frames(fps)), count) for clip, count in zip(clips, heard, strict=True)]
        for clip, length in zip(clips, self.lengths, strict=True):
            if length < 1:
                raise ValueError(f"{clip.name}: its speech is too short for a frame at {fps} fps")

    def random(self, items: NDArray[np.int64], frames: int, random: np.random.Generator) -> Segment:
        """A segment of each of some clips, of so many frames, or of those that the shortest of them has."""
        length = min(frames, *(self.lengths[int(index)] for index in items))
        return self._cut([(int(i), int(random.integers(self.lengths[int(i)] - length + 1))) for i in items], length)

    def middles(self, batch: int, frames: int) -> list[Segment]:
        """The middle of every clip, in batches."""
        made = []
        for first in range(0, len(self.clips), batch):
            items = range(first, min(first + batch, len(self.clips)))
            length = min(frames, *(self.lengths[index] for index in items))
            made.append(self._cut([(index, (self.lengths[index] - length) // 2) for index in items], length))
        return made

    def standardise(self) -> None:
        """Standardise spectrograms from now on by their mean and deviation in these clips."""
        total, squares, count = torch.zeros(80, dtype=torch.float64), torch.zeros(80, dtype=torch.float64), 0
        for index in range(len(self.clips)):
            log_mels = self._span(index)[0].double().cpu()
            inside = log_mels[:, STEPS // 2 : -(STEPS // 2)]  # without the silence that was added
            total, squares, count = total + inside.sum(1), squares + inside.square().sum(1), count + inside.shape[1]
        mean = total / count
        deviation = (squares / count - mean.square()).clamp_min(_LEAST_DEVIATION**2).sqrt()
        device = self.compute.device
        self.standard = mean.float()[:, None].to(device), deviation.float()[:, None].to(device)

    @torch.no_grad()
    def take_over(self, convolution: nn.Conv1d) -> None:
        """Let a convolution of all 80 bands standardise what it is given; spectrograms are raw from now on."""
        if self.standard is None:
            return
        mean, deviation = self.standard
        assert convolution.bias is not None
        convolution.weight.div_(deviation)
        convolution.bias.sub_((convolution.weight * mean).sum((1, 2)))
        self.standard = None

    def _cut(self, cuts: Sequence[tuple[int, int]], length: int) -> Segment:
        move = self.compute.move
        geometry = np.stack([self.clips[index].frames(self.fps)[start : start + length] for index, start in cuts])
        template = np.stack([self.clips[index].template for index, _ in cuts])

        def codes(encoder: AudioEncoder) -> Tensor:
            return torch.stack(list(self._codes(encoder, cuts, length)))

        return Segment(
            move(torch.from_numpy(np.float32(_MILLIMETRES) * geometry)),
            move(torch.from_numpy(np.float32(_MILLIMETRES) * template)),
            codes,
        )

    def _codes(self, encoder: AudioEncoder, cuts: Sequence[tuple[int, int]], length: int) -> Iterator[Tensor]:
        """(T, 128) of each cut."""
        if self.centres == "steps":
            pieces = []
            for index, start in cuts:
                log_mels, first = self._span(index)
                first = first[start : start + length]
                pieces.append((log_mels[:, first[0] : first[-1] + STEPS], first - first[0]))
            longest = max(piece.shape[1] for piece, _ in pieces)
            batch = torch.stack([nn.functional.pad(piece, (0, longest - piece.shape[1])) for piece, _ in pieces])
            for made, (_, first) in zip(encoder.along(self._standardised(batch)), pieces, strict=True):
                yield made[first]
            return
        for index, start in cuts:
            windows = chunks(self._audio(index), self.fps, self.centres)[start : start + length]
            yield encoder(self._standardised(log_mel(windows)))

    def _standardised(self, log_mels: Tensor) -> Tensor:
        if self.standard is None:
            return log_mels
        mean, deviation = self.standard
        return (log_mels - mean) / deviation

    def _span(self, index: int) -> tuple[Tensor, Tensor]:
        if index not in self.spans:
            self.spans[index] = span_log_mels(self._audio(index), self.fps)
        return self.spans[index]

    def _audio(self, index: int) -> Tensor:
        return normalise(self.compute.move(torch.from_numpy(self.waveforms[index])))
