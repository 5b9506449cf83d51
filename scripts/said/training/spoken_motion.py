"""Clips as FaceFormer and CodeTalker are trained on them: whole, at 30 frames per second, speech stretched to them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from transformers import Wav2Vec2Model

from said.baselines.clips import MeshClip
from said.baselines.speech_decoder import FRAME_RATE
from said.compute import Compute
from said.files.fingerprint import digest
from said.speech import convolve, normalise
from said.waveforms import prepare_waveform


class SpokenClip(NamedTuple):
    """A clip as the losses of both models take it, in this order; B is 1, or the number of styles.

    Attributes:
        speech: (B, N, C) what the speech encoder's convolutions make of it.
        frames: (B, N, V, 3) metres.
        template: (B, V, 3) metres.
        styles: (B,) numbers of speakers.
    """

    speech: Float[Tensor, "B N C"]
    frames: Float[Tensor, "B N V 3"]
    template: Float[Tensor, "B V 3"]
    styles: list[int]


class SpokenMotion:
    """Clips of one split. Their speech goes through the encoder's convolutions once, as these do not learn.

    Args:
        encoder: of the speech; on the CPU or on the device.
    """

    def __init__(self, clips: Sequence[MeshClip], encoder: Wav2Vec2Model, compute: Compute):
        self.clips = clips
        self.compute = compute
        self.speech = [self._convolved(clip, encoder) for clip in clips]

    def __getitem__(self, index: int) -> SpokenClip:
        clip, move = self.clips[index], self.compute.move
        frames = torch.from_numpy(np.array(clip.frames(FRAME_RATE), np.float32))
        template = torch.from_numpy(np.asarray(clip.template, np.float32))
        return SpokenClip(self.speech[index], move(frames)[None], move(template)[None], [clip.style or 0])

    def in_every_style(self, index: int, styles: int) -> SpokenClip:
        """A clip once in each of so many styles: nobody knows which one is that of a speaker who is not among them."""
        speech, frames, template, _ = self[index]
        speech, frames, template = (part.expand(styles, *part.shape[1:]) for part in (speech, frames, template))
        return SpokenClip(speech, frames, template, list(range(styles)))

    @torch.no_grad()
    def _convolved(self, clip: MeshClip, encoder: Wav2Vec2Model) -> Tensor:
        waveform = torch.from_numpy(prepare_waveform(clip.waveform, clip.rate))
        return convolve(encoder, normalise(self.compute.move(waveform))[None], len(clip.frames(FRAME_RATE)))


def require_clips(train: Sequence[MeshClip], validation: Sequence[MeshClip]) -> int:
    """How many styles the training clips have.

    Raises:
        ValueError: a split has no clips, or a training clip no style.
    """
    if not train or not validation:
        raise ValueError(f"{len(train)} training and {len(validation)} validation clips: both need at least one")
    styles = [clip.style for clip in train if clip.style is not None]
    if len(styles) < len(train):
        raise ValueError("every training clip needs the number of its speaker, its style")
    return 1 + max(styles)


def clips_digest(clips: Sequence[MeshClip]) -> str:
    """Of what a training follows from. Of the clips' meshes, gigabytes, the coefficients fitted to them speak."""
    return digest(
        {
            f"{clip.name} {part}": getattr(clip, part)
            for clip in clips
            for part in ("coefficients", "waveform", "template")
        }
    )
