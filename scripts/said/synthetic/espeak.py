"""Speech by espeak-ng, an optional alternative to the formant synthesiser.

Needs the package espeakng-loader (GPL 3), which this process never imports: every utterance is spoken by a fresh
worker, :mod:`said.synthetic.espeak_worker`.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from said.synthetic.formants import SAMPLE_RATE
from said.synthetic.phonetics import SILENCE, VOWELS, Phone
from said.synthetic.speech import Utterance

PACKAGE = "espeakng-loader"

VARIANTS = ("m1", "f1", "m2", "f4", "m3", "Annie", "m4", "linda", "m5", "belinda", "m7", "steph")
"""Voices that say the same sentence with the same samples every time; those with breath do not."""

_LEADING_SILENCE = 0.12  # seconds; espeak-ng begins at once

_ARPABET = {
    "p": "P", "b": "B", "m": "M", "m-": "M", "f": "F", "v": "V", "T": "TH", "D": "DH", "t": "T", "t2": "T",
    "t#": "D", "d": "D", "n": "N", "n-": "N", "s": "S", "z": "Z", "S": "SH", "Z": "ZH", "tS": "CH", "dZ": "JH",
    "k": "K", "g": "G", "N": "NG", "x": "K", "?": "SIL", "l": "L", "l/": "L", "l#": "L", "r": "R", "r-": "R",
    "r/": "R", "w": "W", "w#": "W", "hw": "W", "j": "Y", "h": "HH", "a": "AE", "aa": "AE", "a#": "AH0",
    "A:": "AA", "A": "AA", "A@": "AA R", "0": "AA", "0#": "AA", "O:": "AO", "O": "AO", "O2": "AO",
    "O@": "AO R", "o@": "AO R", "o": "OW", "oU": "OW", "u:": "UW", "u": "UW", "U": "UH", "U@": "UH R",
    "3": "ER", "3:": "ER", "@": "AH0", "@2": "AH0", "@5": "AH0", "@L": "AH0 L", "I": "IH", "I2": "IH",
    "I#": "AH0", "i": "IY", "i:": "IY", "i@": "IY AH0", "i@3": "IY R", "e": "EH", "E": "EH", "E2": "EH",
    "E#": "EH", "e@": "EH R", "eI": "EY", "aI": "AY", "aI@": "AY AH0", "aI3": "AY ER", "aU": "AW", "OI": "OY",
    "V": "AH", "VR": "ER",
}  # fmt: skip
"""espeak-ng's mnemonics of American English; AH0 is the reduced vowel."""


@dataclass(frozen=True)
class EspeakVoice:
    """espeak-ng's parameters.

    Attributes:
        variant: of the voice en-us, such as ``m1``.
        rate: nominal words per minute; short sentences come out about 1.2 times as fast.
        pitch, range: 0 to 99.
    """

    variant: str = "m1"
    rate: int = 106
    pitch: int = 50
    range: int = 50


def is_installed() -> bool:
    """Whether the optional package is installed; it is looked up, not imported."""
    return importlib.util.find_spec("espeakng_loader") is not None


def sample_voices(count: int, seed: int) -> list[EspeakVoice]:
    """Draw up to 12 voices that alternate between low and high, all of different variants.

    Raises:
        ValueError: `count` is not within 1 to 12.
    """
    if not 1 <= count <= len(VARIANTS):
        raise ValueError(f"espeak-ng has {len(VARIANTS)} reproducible voices; {count} cannot be drawn")
    rng = np.random.default_rng([seed, 0xE59EA])
    return [
        EspeakVoice(VARIANTS[i], *(int(rng.integers(*bounds)) for bounds in ((98, 114), (38, 62), (40, 62))))
        for i in range(count)
    ]


def phones_from_events(events: Sequence[tuple[int, str]], samples: int, sample_rate: int) -> list[Phone]:
    """Turn espeak-ng's phoneme events into contiguous ARPAbet phones.

    Args:
        events: ``(sample, mnemonic)`` in order of time.
        samples: length of the waveform.
        sample_rate: Hz.

    Raises:
        ValueError: a mnemonic is unknown.
    """
    starts = [0, *(event[0] for event in events), samples]
    names = ["_", *(event[1] for event in events)]
    phones: list[Phone] = []
    for name, start, end in zip(names, starts, starts[1:], strict=False):
        if end <= start:
            continue
        bare = name.lstrip("',%=|")
        stress = 1 if name.startswith("'") else 2 if name.startswith(",") else 0
        if bare == "" or bare[0] in "_:;":
            symbols = [SILENCE]
        elif bare in _ARPABET:
            symbols = _ARPABET[bare].split()
        else:
            raise ValueError(f"espeak-ng's phoneme {name!r} has no ARPAbet equivalent in said.synthetic.espeak")
        edges = np.linspace(start, end, len(symbols) + 1) / sample_rate
        for symbol, left, right in zip(symbols, edges, edges[1:], strict=False):
            if phones and phones[-1].symbol == SILENCE == symbol:
                phones[-1] = Phone(phones[-1].start, float(right), SILENCE)
                continue
            # Full vowels without a mark count as secondary: 0 would make AH a schwa.
            level = (stress or 2) if symbol in VOWELS else 0
            phones.append(Phone(float(left), float(right), symbol.rstrip("0"), level))
    return phones


def speak(text: str, voice: EspeakVoice, timeout: float = 60.0) -> Utterance:
    """Speak any English sentence; the same arguments give the same bytes.

    Args:
        text: what to say.
        voice: one of :func:`sample_voices`, or any other.
        timeout: seconds to wait for the worker.

    Returns:
        The utterance at 22,000 Hz with ARPAbet phones.

    Raises:
        ModuleNotFoundError: the optional package is missing.
        RuntimeError: espeak-ng failed; the message has its error output.
    """
    if not is_installed():
        raise ModuleNotFoundError(
            f"the espeak-ng voices need the optional package {PACKAGE}: pip install {PACKAGE}", name="espeakng_loader"
        )
    request = {
        "text": text, "variant": voice.variant, "rate": voice.rate, "pitch": voice.pitch, "range": voice.range,
    }  # fmt: skip
    library_root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [library_root, os.environ.get("PYTHONPATH")]))
    worker = subprocess.run(
        [sys.executable, "-m", "said.synthetic.espeak_worker"],
        input=json.dumps(request).encode(),
        capture_output=True,
        timeout=timeout,
        env={**os.environ, "PYTHONPATH": path},
    )
    if worker.returncode:
        raise RuntimeError(f"espeak-ng failed: {worker.stderr.decode(errors='replace').strip()[-500:]}")
    line, _, payload = worker.stdout.partition(b"\n")
    header = json.loads(line)
    source_rate = header["sample_rate"]
    samples = np.frombuffer(payload, dtype="<i2")
    if len(samples) != header["samples"]:
        raise RuntimeError(f"espeak-ng's worker sent {len(samples)} of {header['samples']} samples")
    silence = round(_LEADING_SILENCE * source_rate)
    samples = np.concatenate([np.zeros(silence), samples / 32768])
    events = [(sample + silence, name) for sample, name in header["events"]]
    divisor = np.gcd(SAMPLE_RATE, source_rate)
    waveform = resample_poly(samples, SAMPLE_RATE // divisor, source_rate // divisor)
    waveform = np.clip(waveform, -1, 1).astype(np.float32)
    phones = phones_from_events(events, len(samples), source_rate)
    phones[-1] = Phone(phones[-1].start, len(waveform) / SAMPLE_RATE, phones[-1].symbol, phones[-1].stress)
    return Utterance(text, waveform, SAMPLE_RATE, tuple(phones))
