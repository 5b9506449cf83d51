"""Heads in time: pitch, yaw and roll over the speech, and the nod around a stressed vowel."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from said.figures.style import BLUE, GREEN, PALETTE, RED
from said.headpose.beats import courses, loudest, speech_beats
from said.headpose.clips import FRAME_RATE, FRAMES, SAMPLE_RATE, Clip
from said.headpose.rotations import angles

_AXES = ("pitch °, down", "yaw °, left", "roll °")
_REACH = 15  # frames on each side of a vowel
_SIGNS = {"stresses": ("#444444", "stressed vowel"), "nevers": (RED, "“never”"), "questions": (GREEN, "question")}
RECONSTRUCTION = "reconstruction from the supplement; its paper was not to be had"


def richest(clips: Mapping[str, Clip]) -> str:
    """The clip in which most happens: with a question, with "never", with most stressed vowels; else the first."""

    def wealth(name: str) -> tuple[int, int]:
        truth = clips[name].truth
        if truth is None:
            return 0, 0
        return (len(truth.questions) > 0) + (len(truth.nevers) > 0), len(truth.stresses)

    return max(sorted(clips), key=wealth)


def draw_tracks(clip: Clip, methods: Mapping[str, NDArray]) -> Figure:
    """Pitch, yaw and roll of up to five samples of each method over the speech, with the truth in black.

    Args:
        clip: the speech and its own pose.
        methods: name -> (S, 200, 3) rotation vectors in radians.
    """
    figure = Figure(figsize=(1.5 + 5.2 * len(methods), 8), layout="constrained")
    axes = figure.subplots(4, len(methods), sharex=True, sharey="row", squeeze=False, height_ratios=[1, 2, 2, 2])
    times = (np.arange(FRAMES) + 0.5) / FRAME_RATE
    truth = angles(clip.pose.astype(np.float64))
    for column, (name, samples) in zip(axes.T, methods.items(), strict=True):
        _draw_speech(column[0], clip)
        column[0].set_title(name)
        drawn = angles(np.asarray(samples[:5], np.float64))
        for axis, panel in enumerate(column[1:]):
            for number, sample in enumerate(drawn):
                panel.plot(times, sample[:, axis], color=PALETTE[number], linewidth=0.9)
            panel.plot(times, truth[:, axis], color="black", linewidth=1.6, label="truth")
            _mark(panel, clip)
        column[-1].set_xlabel("seconds")
    for panel, label in zip(axes[1:, 0], _AXES, strict=True):
        panel.set_ylabel(label)
    axes[1, 0].invert_yaxis()  # a nod goes down
    handles, labels = axes[1, 0].get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside upper center", ncols=len(unique), frameon=False)
    figure.supxlabel(f"Colours: samples. {RECONSTRUCTION[0].upper()}{RECONSTRUCTION[1:]}.", fontsize=8)
    _tidy(axes.flat)
    return figure


def draw_beats(clips: Mapping[str, Clip], methods: Mapping[str, Mapping[str, NDArray]]) -> Figure:
    """The mean course of the pitch around stressed vowels, or around the loudest beats where those are not known.

    Args:
        clips: name -> clip.
        methods: name -> clip -> (S, 200, 3) rotation vectors in radians.
    """
    figure = Figure(figsize=(8, 5), layout="constrained")
    panel = figure.subplots()
    known = all(clip.truth is not None for clip in clips.values())
    times = np.arange(-_REACH, _REACH + 1) / FRAME_RATE
    for number, (name, samples) in enumerate(methods.items()):
        around = [
            courses(pose[:, 0], _beats(clips[clip]), _REACH)
            for clip, poses in samples.items()
            for pose in angles(np.asarray(poses, np.float64))
        ]
        course = np.concatenate(around).mean(0)
        true = name == "ground_truth"
        panel.plot(
            times,
            course - course[[0, -1]].mean(),
            color="black" if true else PALETTE[(number - 1) % 6],
            linewidth=2.2 if true else 1.5,
            linestyle="--" if number > 6 else "-",
            label=name,
        )
    panel.axvline(0, color="grey", linewidth=0.8)
    beat = "the nucleus of a stressed vowel" if known else "one of the loudest beats of the speech"
    panel.set(xlabel=f"seconds from {beat}", ylabel="pitch °, down", title="The nod to the rhythm of speech")
    panel.invert_yaxis()
    figure.legend(loc="outside right upper", frameon=False)
    figure.supxlabel(f"{RECONSTRUCTION[0].upper()}{RECONSTRUCTION[1:]}.", fontsize=8)
    _tidy([panel])
    return figure


def _beats(clip: Clip) -> NDArray[np.float64]:
    return loudest(*speech_beats(clip.waveform)) if clip.truth is None else clip.truth.stresses[:, 0]


def _draw_speech(panel: Axes, clip: Clip) -> None:
    seconds = np.arange(len(clip.audio)) / SAMPLE_RATE
    panel.plot(seconds[::16], clip.waveform[::16], color=BLUE, linewidth=0.4)
    panel.set(yticks=[])
    _mark(panel, clip)


def _mark(panel: Axes, clip: Clip) -> None:
    """Where a stressed vowel, a question or "never" is, where that is known."""
    if clip.truth is None:
        return
    for start, end in clip.truth.questions:
        panel.axvspan(start, end, color=GREEN, alpha=0.12, linewidth=0, label=_SIGNS["questions"][1])
    for time in clip.truth.nevers:
        panel.axvspan(time - 0.25, time + 0.25, color=RED, alpha=0.2, linewidth=0, label=_SIGNS["nevers"][1])
    for time, effort in clip.truth.stresses:
        panel.axvline(time, color="#444444", alpha=0.5, linewidth=1.2 * effort, linestyle=":", label="stressed vowel")


def _tidy(axes) -> None:
    for panel in axes:
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(alpha=0.25)
        panel.margins(x=0)
