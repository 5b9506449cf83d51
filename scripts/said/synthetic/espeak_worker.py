"""Worker process that speaks one utterance with espeak-ng: ``python -m said.synthetic.espeak_worker``.

espeak-ng is licensed under the GPL 3, and its state drifts from one utterance to the next; both are reasons to
load it in a short-lived process of its own. Reads a JSON object (text, variant, rate, pitch, range) from standard
input; writes one line of JSON (sample_rate, samples, events: [[sample, mnemonic], ...]) and then the samples, 16
bit little endian, to standard output.
"""

import ctypes
import json
import sys
from pathlib import Path
from typing import Any

import espeakng_loader
import numpy as np
from numpy.typing import NDArray

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_PHONEME_EVENTS, _DONT_EXIT = 0x0001, 0x8000
_CHARACTERS_UTF8 = 1
_EVENT_END, _EVENT_PHONEME = 0, 7
_PARAMETERS = {"rate": 1, "pitch": 3, "range": 4}


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]  # noqa: RUF012


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = [  # noqa: RUF012
        ("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int),
        ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p), ("id", _EventId),
    ]  # fmt: skip


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


def synthesise(
    text: str, variant: str, rate: int, pitch: int, range: int
) -> tuple[int, NDArray[np.int16], list[tuple[int, str]]]:
    """Sample rate, (T,) int16 samples and the phoneme events ``(sample, mnemonic)`` of one utterance."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    sample_rate = library.espeak_Initialize(
        _AUDIO_OUTPUT_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), _PHONEME_EVENTS | _DONT_EXIT
    )
    if sample_rate <= 0:
        raise RuntimeError("espeak-ng could not be initialised")
    chunks: list[NDArray[np.int16]] = []
    events: list[tuple[int, str]] = []

    def receive(samples: Any, count: int, event: Any) -> int:
        if count > 0 and samples:
            chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while event[index].type != _EVENT_END:
            if event[index].type == _EVENT_PHONEME:
                mnemonic = bytes(event[index].id.string).split(b"\0")[0].decode("ascii", errors="replace")
                events.append((event[index].sample, mnemonic))
            index += 1
        return 0

    callback = _CALLBACK(receive)  # must outlive the synthesis
    library.espeak_SetSynthCallback(callback)
    # An unknown variant would silently become the plain voice.
    if not (Path(espeakng_loader.get_data_path()) / "voices" / "!v" / variant).is_file():
        raise RuntimeError(f"espeak-ng has no voice variant {variant!r}")
    if library.espeak_SetVoiceByName(f"en-us+{variant}".encode()):
        raise RuntimeError(f"espeak-ng could not load the voice en-us+{variant}")
    for name, value in (("rate", rate), ("pitch", pitch), ("range", range)):
        library.espeak_SetParameter(_PARAMETERS[name], value, 0)
    encoded = text.encode() + b"\0"
    failed = library.espeak_Synth(encoded, ctypes.c_size_t(len(encoded)), 0, 1, 0, _CHARACTERS_UTF8, None, None)
    if failed or library.espeak_Synchronize() or not chunks:
        raise RuntimeError(f"espeak-ng could not speak {text!r}")
    return sample_rate, np.concatenate(chunks), events


def main() -> None:
    """Answer the one request on standard input."""
    try:
        sample_rate, samples, events = synthesise(**json.load(sys.stdin))
    except RuntimeError as error:
        sys.exit(str(error))
    header = {"sample_rate": sample_rate, "samples": len(samples), "events": events}
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n" + samples.astype("<i2").tobytes())


if __name__ == "__main__":
    main()
