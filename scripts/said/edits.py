"""The entries of `edits` in config.yaml: what is wrong with them, what they need, and what they keep.

The Snakefile imports this module at each start, so it imports nothing heavy unless an entry names the user's own files.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from said.arkit import SPEECH_BLENDSHAPES
from said.running.atomic import PathLike
from said.running.console import nearest

LARGEST_DIFFERENCE = 30
"""The largest difference between the lengths of reference and speech, in frames: half a second."""
_TOLERANCE = 1e-6
_FILE_NAME = re.compile(r"[A-Za-z]\w{0,99}", re.ASCII)


def needs_reference(entry: Mapping) -> bool:
    """Whether an edit keeps part of a reference, or begins from a noised reference."""
    return any(key in entry for key in KEEPING) or entry.get("strength", 1) < 1


def find_faults(
    edits: Mapping[str, Mapping],
    speakers: Sequence[str],
    test_speakers: Sequence[str],
    variants: Sequence[str],
    rounding: str = "exact",
    sentences: Mapping[str, int] | None = None,
) -> Iterator[str]:
    """What is wrong with the edits of a configuration, a line each; the user's own files are read.

    Args:
        edits: by name.
        speakers: all speakers.
        test_speakers: among whom an edit counts where it gives a speaker's number.
        variants: those with which an edit may be done.
        rounding: see `said.waveforms.frame_count`.
        sentences: number of each speaker's sentences, where that is known before there is a corpus.
    """
    for name, entry in edits.items():
        try:
            for key, fault in _faults(entry, speakers, test_speakers, variants, rounding, sentences or {}):
                yield f"edits.{name}{'.' if key else ''}{key}: {fault}"
        except Exception as error:  # whatever a user's file does to its reader, only this entry suffers
            yield f"edits.{name}: {str(error) or type(error).__name__}"


def sort_out(
    edits: Mapping[str, Mapping], refused: Mapping[str, list[str]], **known: Any
) -> tuple[dict[str, Mapping], dict[str, list[str]]]:
    """Separate the edits that can be done from those that cannot.

    Args:
        edits: by name.
        refused: edits that were refused before, with their faults.
        known: the other arguments of `find_faults`.

    Returns:
        the edits that can be done, by name; and the faults of the others, by the name under which the workflow refuses
        them: their own or, where no file can have that name, a number.
    """
    faults = {name: list(find_faults({name: entry}, **known)) for name, entry in edits.items()}
    good = {name: entry for name, entry in edits.items() if not faults[name]}
    faulty = {**refused, **{name: lines for name, lines in faults.items() if lines}}
    taken = {name.casefold() for name in good}
    named = {
        name if _FILE_NAME.fullmatch(name) and name.casefold() not in taken else str(number): lines
        for number, (name, lines) in enumerate(faulty.items())
    }
    return good, named


def files(entry: Mapping, run: str, test_speakers: Sequence[str]) -> dict[str, str]:
    """Paths of the files that an edit needs, for `said.editing.read_clip`; those of the workflow are below `run`."""
    speaker = find_speaker(entry, test_speakers)
    named = {key: entry[key] for key in ("wav", "reference", "mask") if key in entry}
    if "wav" not in entry:
        named["sequences"] = f"{run}/corpus/sequences/{speaker}"
    if needs_reference(entry) and "reference" not in entry:
        named["coefficients"] = f"{run}/coefficients/{speaker}"
    return named


def kept_entries(entry: Mapping, frames: int) -> NDArray[np.bool_]:
    """(N, 32) bool, what an edit keeps of the reference: its `frames` and its `blendshapes`.

    Raises:
        ValueError: a range is empty or outside the sequence.
    """
    kept = np.zeros((frames, len(SPEECH_BLENDSHAPES)), dtype=bool)
    for first, last in entry.get("frames", ()):
        begin, end = (frames + frame if frame < 0 else frame for frame in (first, last))
        if not 0 <= begin <= end < frames:
            raise ValueError(f"frames [{first}, {last}]: not a range within the {frames} frames 0 to {frames - 1}")
        kept[begin : end + 1] = True
    kept[:, [SPEECH_BLENDSHAPES.index(name) for name in entry.get("blendshapes", ())]] = True
    return kept


def mask_entries(columns: Mapping[str, NDArray], frames: int, source: PathLike) -> NDArray[np.bool_]:
    """(N, 32) bool, what a mask keeps of the reference.

    Args:
        columns: of the mask's CSV, (N,) by name; blendshapes without a column are not kept.
        frames: N of the sequence.
        source: of the mask, for messages.

    Raises:
        ValueError: a column is unknown, a value is neither 0 nor 1, or the numbers of rows and frames differ.
    """
    kept = np.zeros((frames, len(SPEECH_BLENDSHAPES)), dtype=bool)
    for name, values in columns.items():
        if name not in SPEECH_BLENDSHAPES:
            raise ValueError(f"{source}: unknown blendshape {name!r}{nearest(name, SPEECH_BLENDSHAPES)}")
        if len(values) != frames:
            raise ValueError(f"{source}: has {len(values)} rows, the sequence {frames} frames")
        if not np.isin(values, (0, 1)).all():
            row = int(np.flatnonzero(~np.isin(values, (0, 1)))[0])
            raise ValueError(f"{source}: line {row + 2}: {name} is {values[row]:g}, not 0 or 1")
        kept[:, SPEECH_BLENDSHAPES.index(name)] = values == 1
    return kept


def read_reference(path: PathLike, frames: int) -> NDArray[np.str_]:
    """(N, 32) cells of a reference's CSV, for speech with that number of frames.

    Raises:
        ValueError: its length differs from that by more than half a second, or a value lies outside [0, 1].
    """
    from said.corpus import FRAME_RATE
    from said.files.tables import read_coefficient_text

    text = read_coefficient_text(path)
    values = text.astype(np.float64)
    outside = np.argwhere((values < -_TOLERANCE) | (values > 1 + _TOLERANCE))
    if len(outside):
        row, column = outside[0]
        raise ValueError(
            f"{path}: line {row + 2}: {SPEECH_BLENDSHAPES[column]} is {text[row, column]}; coefficients are in [0, 1]"
        )
    if abs(len(text) - frames) > LARGEST_DIFFERENCE:
        raise ValueError(
            f"{path}: has {len(text)} frames, the speech {frames} at {FRAME_RATE} per second; "
            "cut the longer so that both begin and end together"
        )
    return text


KEEPING = ("frames", "blendshapes", "mask")
"""Keys of an edit that keep part of the reference."""


def find_speaker(entry: Mapping, test_speakers: Sequence[str]) -> str:
    """The speaker of the clip that is edited; for a recording, the first test speaker, whose face shows it."""
    speaker = entry.get("speaker", 0)
    return test_speakers[speaker] if isinstance(speaker, int) else speaker


def _faults(
    entry: Mapping,
    speakers: Sequence[str],
    test_speakers: Sequence[str],
    variants: Sequence[str],
    rounding: str,
    sentences: Mapping[str, int],
) -> Iterator[tuple[str, str]]:
    """The key of an edit, "" for the edit as a whole, and what is wrong with it."""
    if ("wav" in entry) == ("speaker" in entry or "sentence" in entry):
        yield "", "names a clip (speaker and sentence) or a wav, one of the two"
        return
    speaker = entry.get("speaker", 0)
    if isinstance(speaker, str) and speaker not in speakers:
        yield "speaker", f"unknown speaker {speaker!r}{nearest(speaker, speakers)}"
    elif isinstance(speaker, int) and speaker >= len(test_speakers):
        yield "speaker", f"there are {len(test_speakers)} test speakers, counted from 0"
    else:
        count, sentence = sentences.get(find_speaker(entry, test_speakers)), entry.get("sentence", 0)
        if "wav" not in entry and count is not None and isinstance(sentence, int) and sentence >= count:
            yield "sentence", f"{sentence}: the speaker has {count}, counted from 0"
    if entry.get("variant", variants[0]) not in variants:
        yield "variant", f"unknown variant {entry['variant']!r}{nearest(entry['variant'], variants)}"
    for name in entry.get("blendshapes", ()):
        if name not in SPEECH_BLENDSHAPES:
            yield "blendshapes", f"unknown blendshape {name!r}{nearest(name, SPEECH_BLENDSHAPES)}"
    for first, last in entry.get("frames", ()):
        if (first < 0) == (last < 0) and first > last:
            yield "frames", f"[{first}, {last}] is empty: the first frame comes after the last"
    missing = False
    for key in ("wav", "reference", "mask"):
        if key in entry and not Path(entry[key]).is_file():
            missing = True
            yield key, f"no file {entry[key]}; paths begin where snakemake is run"
    if "wav" in entry and needs_reference(entry) and "reference" not in entry:
        yield "", "keeps part of a reference, and a wav has none of its own: name a CSV as `reference`"
    elif "reference" in entry and not needs_reference(entry):
        yield "reference", "nothing of it is kept: name `frames`, `blendshapes` or a `mask`"
    elif not missing and entry.keys() & {"wav", "reference"}:
        yield from _faults_of_files(entry, rounding)


def _faults_of_files(entry: Mapping, rounding: str) -> Iterator[tuple[str, str]]:
    """What is wrong with the user's own files; those of the workflow are checked when `read_clip` reads them."""
    from said.files.audio import read_recording
    from said.files.tables import read_coefficient_text, read_columns
    from said.running.integrity import reading_own
    from said.waveforms import frame_count, require_encodable

    frames = None
    try:
        if "wav" in entry:
            waveform, rate = read_recording(entry["wav"])
            frames = frame_count(len(waveform), rate, rounding=rounding)
            require_encodable(frames, entry["wav"])
    except (ValueError, RuntimeError, OSError) as error:
        yield "wav", str(error)
        return
    if "reference" in entry:
        try:
            with reading_own():
                text = read_coefficient_text(entry["reference"])
                text = read_reference(entry["reference"], len(text) if frames is None else frames)
            require_encodable(len(text), entry["reference"])
        except (ValueError, OSError) as error:
            yield "reference", str(error)
            return
        frames = len(text)
    if frames is None:
        return
    try:
        known = [name for name in entry.get("blendshapes", ()) if name in SPEECH_BLENDSHAPES]
        kept_entries({**entry, "blendshapes": known}, frames)
    except ValueError as error:
        yield "frames", str(error).removeprefix("frames ")
    if "mask" in entry:
        try:
            with reading_own():
                mask_entries(read_columns(entry["mask"], SPEECH_BLENDSHAPES), frames, entry["mask"])
        except (ValueError, OSError) as error:
            yield "mask", str(error)
