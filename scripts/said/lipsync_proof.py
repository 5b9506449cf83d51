"""Whether AV offset and confidence measure what they claim: real clips with their speech moved, and with another's."""

from collections.abc import Mapping

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from said import syncnet
from said.console import progress
from said.lipsync import Face, at_video_rate, camera_for, embed_lips, embed_speech, synchrony
from said.speech import prepare_waveform
from said.syncnet import SyncNet

matplotlib.use("Agg")
SHIFTS = range(-5, 6)
"""Video frames by which the speech is moved ahead."""
OWN, OTHER, CHANCE = "own", "other", "chance"
_BLUE, _ORANGE = "#0072B2", "#D55E00"


def prove(
    model: SyncNet,
    faces: Mapping[str, Face],
    clips: Mapping[str, NDArray],
    speech: Mapping[str, tuple[NDArray, int]],
) -> pd.DataFrame:
    """Measure real clips with their own speech, moved by every one of `SHIFTS`, with the next clip's, and by chance.

    A confidence, the median of 31 distances less their minimum, is positive even where there is nothing to find. What
    chance gives is measured by the vectors of a clip's own speech, turned cyclically by half its length: they vary as
    before, but with nothing that the lips do.

    Args:
        model: in evaluation mode.
        faces: of each speaker.
        clips: "<speaker>/<sentence>" -> (N, 32) coefficients; at least two.
        speech: the same names -> waveform (T,) and its rate in Hz.

    Returns:
        one row per measurement: clip, speech (own, other or chance), shift in frames, offset in frames, confidence.
    """
    names = sorted(clips)
    cameras = {speaker: camera_for(model, face) for speaker, face in faces.items()}
    waveforms = {name: prepare_waveform(*speech[name]) for name in names}
    rows = []
    for number, name in enumerate(progress(names, "clips")):
        motion = at_video_rate(clips[name])
        lips = embed_lips(model, cameras[name.split("/")[0]].film(motion))
        heard = {(OWN, shift): moved_ahead(waveforms[name], shift) for shift in SHIFTS}
        heard[OTHER, 0] = waveforms[names[(number + 1) % len(names)]]
        voices = {key: embed_speech(model, one, syncnet.SAMPLE_RATE, len(motion)) for key, one in heard.items()}
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
    """What `prove` measured, per speech and shift.

    Returns:
        speech, shift, clips; within_one_frame: share of clips whose offset is the shift, give or take one frame;
        offset_mean; confidence_mean, and its 5 % and 95 % quantiles over clips.
    """
    rows = []
    for (whose, shift), group in measured.groupby(["speech", "shift"], sort=False):
        rows.append(
            {
                "speech": whose,
                "shift": shift,
                "clips": len(group),
                "within_one_frame": float(((group["offset"] - shift).abs() <= 1).mean()),
                "offset_mean": float(group["offset"].mean()),
                "confidence_mean": float(group["confidence"].mean()),
                "confidence_05": float(group["confidence"].quantile(0.05)),
                "confidence_95": float(group["confidence"].quantile(0.95)),
            }
        )
    return pd.DataFrame(rows)


def draw(measured: pd.DataFrame, origin: str) -> Figure:
    """Offset over shift, dots whose area is the number of clips; and confidences: with own and other speech, by chance.

    Args:
        measured: as `prove` gives it.
        origin: where the model's weights came from.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    own, other, chance = (measured[measured["speech"] == whose] for whose in (OWN, OTHER, CHANCE))
    counts = own.groupby(["shift", "offset"]).size().reset_index(name="clips")
    left.fill_between(SHIFTS, [s - 1 for s in SHIFTS], [s + 1 for s in SHIFTS], color="0.9", label="within one frame")
    area = 260 * counts["clips"] / counts["clips"].max()
    left.scatter(counts["shift"], counts["offset"], s=area, color=_BLUE, label="clips")
    within = ((own["offset"] - own["shift"]).abs() <= 1).mean()
    left.set(
        title=f"{within:.1%} within one frame", xlabel="speech moved ahead by (frames)", ylabel="AV offset (frames)"
    )
    left.legend(frameon=False, loc="upper left")
    still = own[own["shift"] == 0]
    bins = np.linspace(0, measured["confidence"].max(), 31)
    for one, colour, label in ((still, _BLUE, "own speech"), (other, _ORANGE, "another clip's speech")):
        label += f", mean {one['confidence'].mean():.2f}"
        right.hist(one["confidence"], bins, color=colour, alpha=0.85, label=label)
    level = chance["confidence"].mean()
    right.axvline(level, color="0.2", linestyle="--", linewidth=1, label=f"by chance, mean {level:.2f}")
    right.set(title="confidence in real clips", xlabel="AV confidence", ylabel="clips")
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel(f"SyncNet, {origin}", fontsize=7, color="0.4")
    return figure
