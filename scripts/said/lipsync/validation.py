"""Do AV offset and confidence measure what they claim? Real clips with shifted and with another clip's speech."""

from collections.abc import Mapping
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from said.lipsync import syncnet
from said.lipsync.film import at_video_rate, camera_for
from said.lipsync.measure import embed_lips, embed_speech, synchrony
from said.lipsync.syncnet import SyncNet
from said.rig import Rig
from said.running.console import progress
from said.waveforms import prepare_waveform

SHIFTS = range(-5, 6)
"""Video frames by which the speech is moved ahead."""
OWN, OTHER, CHANCE = "own", "other", "chance"


def prove(
    model: SyncNet,
    rigs: Mapping[str, Rig],
    clips: Mapping[str, NDArray],
    speech: Mapping[str, tuple[NDArray, int]],
) -> pd.DataFrame:
    """Measure real clips with their own speech, moved by every one of `SHIFTS`, with the next clip's, and by chance.

    A confidence, the median of 31 distances less their minimum, is positive even where there is nothing to find. The
    level of chance is measured with the vectors of a clip's own speech, rotated by half its length: they vary as
    before, but unrelated to the lips.

    Args:
        model: in evaluation mode.
        rigs: of each speaker, with landmarks.
        clips: "<speaker>/<sentence>" -> (N, 32) coefficients; at least two.
        speech: the same names -> waveform (T,) and its rate in Hz.

    Returns:
        one row per measurement: clip, speech (own, other or chance), shift in frames, offset in frames, confidence.
    """
    names = sorted(clips)
    cameras = {speaker: camera_for(model, rig) for speaker, rig in rigs.items()}
    waveforms = {name: prepare_waveform(*speech[name]) for name in names}
    rows = []
    for number, name in enumerate(progress(names, "clips")):
        motion = at_video_rate(clips[name])
        lips = embed_lips(model, cameras[name.split("/")[0]].film(motion))
        heard = {(OWN, shift): moved_ahead(waveforms[name], shift) for shift in SHIFTS}
        heard[OTHER, 0] = waveforms[names[(number + 1) % len(names)]]
        voices = {key: embed_speech(model, moved, syncnet.SAMPLE_RATE, len(motion)) for key, moved in heard.items()}
        voices[CHANCE, 0] = np.roll(voices[OWN, 0], len(voices[OWN, 0]) // 2, axis=0)
        rows += [(name, *key, *synchrony(lips, voice)) for key, voice in voices.items()]
    return pd.DataFrame(rows, columns=["clip", "speech", "shift", "offset", "confidence"])


def moved_ahead(waveform: NDArray, frames: int) -> NDArray:
    """16 kHz speech (T,) that begins `frames` video frames earlier; of the same length, filled with silence."""
    samples = frames * syncnet.SAMPLE_RATE // syncnet.FRAME_RATE
    moved = np.zeros_like(waveform)
    if samples >= 0:
        moved[: len(waveform) - samples] = waveform[samples:]
    else:
        moved[-samples:] = waveform[:samples]
    return moved


def summarise(measured: pd.DataFrame) -> pd.DataFrame:
    """The table of `prove`, summarised for each speech and shift.

    Returns:
        speech, shift, clips; within_one_frame: share of clips whose offset is the shift, give or take one frame;
        offset_mean; confidence_mean, and its 5 % and 95 % quantiles over clips.
    """
    rows = []
    for key, group in measured.groupby(["speech", "shift"], sort=False):
        whose, shift = cast(tuple[str, int], key)
        rows.append(
            {
                "speech": whose,
                "shift": shift,
                "clips": len(group),
                "within_one_frame": ((group["offset"] - shift).abs() <= 1).mean(),
                "offset_mean": group["offset"].mean(),
                "confidence_mean": group["confidence"].mean(),
                "confidence_05": group["confidence"].quantile(0.05),
                "confidence_95": group["confidence"].quantile(0.95),
            }
        )
    return pd.DataFrame(rows)
