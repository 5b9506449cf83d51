"""The three pickles of the training archive, each checked to have the structure of the release before it is used.

They name speakers and sentences, which become file names: only letters, digits and _ are accepted.
"""

import re
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from said.vocaset import unpickle
from said.vocaset.archives import ArchiveError

_RATES = range(1, 1_000_000)
"""Possible sample rates of a recording, in Hz."""
_LARGEST = 2**31
"""Numbers of frames and rows are far below this."""


def rows(file: BinaryIO, name: str) -> dict[str, dict[str, dict[int, int]]]:
    """Speaker -> sentence -> number of a frame, from 0 -> row of data_verts.npy.

    Args:
        file: subj_seq_to_idx.pkl, opened for reading in binary.
        name: its name in messages.

    Raises:
        UnpickleError: see `said.vocaset.unpickle.load`.
        ArchiveError: it does not have this structure.
    """
    table = _by_speaker(file, name)
    for speaker, sentences in table.items():
        for sentence, frames in _named(sentences, name, speaker).items():
            place = f"{speaker}/{sentence}"
            pairs = _dict(frames, name, place, "rows by frames")
            for pair in pairs.items():
                for number in pair:
                    if not _is_whole(number) or abs(number) > _LARGEST:
                        _refuse(name, place, f"frame {pair[0]!r} is row {pair[1]!r}", "whole numbers")
            sentences[sentence] = {int(frame): int(row) for frame, row in pairs.items()}
            if len(sentences[sentence]) < len(pairs):
                _refuse(name, place, "frames are there twice", "each frame once")
    return table


def speech(file: BinaryIO, name: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Speaker -> sentence -> {"audio": an array, "sample_rate": int, Hz}; arguments and errors as for `rows`."""
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
    """Speaker -> array of numbers; arguments and errors as for `rows`."""
    table = _by_speaker(file, name)
    for speaker, template in table.items():
        if not isinstance(template, np.ndarray) or template.dtype.kind not in "fiu":
            _refuse(name, speaker, f"the template is {getattr(template, 'dtype', type(template).__name__)}", "numbers")
    return table


def _by_speaker(file: BinaryIO, name: str) -> dict[str, Any]:
    return _named(unpickle.load(file, name), name, "")


def _named(value: Any, name: str, place: str) -> dict[str, Any]:
    """The value, if it is a dict whose keys can be file names."""
    for given in _dict(value, name, place, "speakers or sentences by their names"):
        if not (isinstance(given, str) and re.fullmatch(r"\w+", given, re.ASCII)):
            raise ArchiveError(
                f"{name}: {given!r} cannot be the name of a speaker or a sentence; this is not what was published, do "
                "not use it"
            )
    return value


def _dict(value: Any, name: str, place: str, content: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        _refuse(name, place, f"there is {type(value).__name__}", f"a dict of {content}")
    return value


def _is_whole(value: Any) -> bool:
    """Whether a value is a whole number; True and False are not."""
    kinds = (int, float, np.integer, np.floating)
    return isinstance(value, kinds) and not isinstance(value, bool) and value == value // 1


def _refuse(name: str, place: str, found: str, expected: str) -> NoReturn:
    where = f"{name}: {place}" if place else name
    raise ArchiveError(f"{where}: {found}, expected {expected}; this is not what was published, use another copy")
