"""The training archive's three pickles, each checked to be built as the release has it before anybody looks into it.

They name speakers and sentences, which become names of files: of letters, digits and _ alone.
"""

import re
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from said.vocaset import unpickle
from said.vocaset.archives import ArchiveError

_RATES = range(1, 1_000_000)
"""Hz that a recording may say of itself."""
_LARGEST = 2**31
"""Frames are counted, and rows too, in numbers far below this."""


def rows(file: BinaryIO, name: str) -> dict[str, dict[str, dict[int, int]]]:
    """Speaker -> sentence -> number of the frame from 0 -> row of data_verts.npy.

    Args:
        file: subj_seq_to_idx.pkl, opened for reading in binary.
        name: what messages call it.

    Raises:
        UnpickleError: see `said.vocaset.unpickle.load`.
        ArchiveError: it is not built like this.
    """
    table = _by_speaker(file, name)
    for speaker, sentences in table.items():
        for sentence, frames in _named(sentences, name, speaker).items():
            place = f"{speaker}/{sentence}"
            found = _dict(frames, name, place, "rows by frames")
            for pair in found.items():
                for number in pair:
                    if not _is_whole(number) or abs(number) > _LARGEST:
                        _refuse(name, place, f"frame {pair[0]!r} is row {pair[1]!r}", "whole numbers")
            sentences[sentence] = {int(frame): int(row) for frame, row in found.items()}
            if len(sentences[sentence]) < len(found):
                _refuse(name, place, "frames are there twice", "each frame once")
    return table


def speech(file: BinaryIO, name: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Speaker -> sentence -> {"audio": an array, "sample_rate": int, Hz}; as `rows`."""
    table = _by_speaker(file, name)
    for speaker, sentences in table.items():
        for sentence, recording in _named(sentences, name, speaker).items():
            place = f"{speaker}/{sentence}"
            if not {"audio", "sample_rate"} <= {*_dict(recording, name, place, "audio and sample_rate")}:
                _refuse(name, place, f"it has {sorted(map(str, recording))}", "audio and sample_rate")
            if not isinstance(recording["audio"], np.ndarray):
                _refuse(name, place, f"the audio is {type(recording['audio']).__name__}", "an array")
            rate = recording["sample_rate"]
            if not _is_whole(rate) or int(rate) not in _RATES:
                _refuse(name, place, f"the sample rate is {rate!r}", "Hz, a whole number")
            sentences[sentence] = {"audio": recording["audio"], "sample_rate": int(rate)}
    return table


def templates(file: BinaryIO, name: str) -> dict[str, NDArray[Any]]:
    """Speaker -> array of numbers; as `rows`."""
    table = _by_speaker(file, name)
    for speaker, template in table.items():
        if not isinstance(template, np.ndarray) or template.dtype.kind not in "fiu":
            _refuse(name, speaker, f"the template is {getattr(template, 'dtype', type(template).__name__)}", "numbers")
    return table


def _by_speaker(file: BinaryIO, name: str) -> dict[str, Any]:
    return _named(unpickle.load(file, name), name, "")


def _named(value: Any, name: str, place: str) -> dict[str, Any]:
    """A dict whose keys can be names of files."""
    for given in _dict(value, name, place, "speakers or sentences by their names"):
        if not (isinstance(given, str) and re.fullmatch(r"\w+", given, re.ASCII)):
            raise ArchiveError(
                f"{name}: {given!r} is no name of a speaker or a sentence; this is not what was published, do not use "
                "it"
            )
    return value


def _dict(value: Any, name: str, place: str, content: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        _refuse(name, place, f"there is {type(value).__name__}", f"a dict of {content}")
    return value


def _is_whole(value: Any) -> bool:
    """Whether it is a number without a fraction; True is none."""
    kinds = (int, float, np.integer, np.floating)
    return isinstance(value, kinds) and not isinstance(value, bool) and value == value // 1


def _refuse(name: str, place: str, found: str, expected: str) -> NoReturn:
    where = f"{name}: {place}" if place else name
    raise ArchiveError(f"{where}: {found}, expected {expected}; this is not what was published, use another copy")
