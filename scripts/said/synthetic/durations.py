"""Segment durations by rule, after Klatt (1979): every phone has an inherent and a minimal duration, and rules
of position, stress and context shorten or lengthen what lies between."""

import numpy as np

from said.synthetic.lexicon import PAUSES, pronounce
from said.synthetic.phonetics import SILENCE, VOICED_STOPS, VOICELESS_STOPS, VOWELS, Phone

# Inherent and minimal duration in milliseconds (Allen, Hunnicutt & Klatt 1987, table 9.1, rounded).
_DURATIONS = {
    "AA": (240, 100), "AE": (230, 80), "AH": (140, 60), "AO": (240, 100), "AW": (260, 100), "AY": (250, 150),
    "EH": (150, 70), "ER": (180, 80), "EY": (190, 100), "IH": (135, 45), "IY": (155, 55), "OW": (220, 80),
    "OY": (280, 150), "UH": (160, 60), "UW": (210, 70), "B": (85, 60), "CH": (120, 80), "D": (75, 50),
    "DH": (50, 30), "F": (100, 80), "G": (80, 60), "HH": (80, 30), "JH": (110, 75), "K": (90, 65),
    "L": (80, 45), "M": (75, 60), "N": (65, 45), "NG": (95, 60), "P": (95, 65), "R": (80, 40), "S": (105, 60),
    "SH": (105, 80), "T": (85, 55), "TH": (90, 60), "V": (60, 45), "W": (80, 60), "Y": (80, 40), "Z": (75, 45),
    "ZH": (70, 45),
}  # fmt: skip

_TEMPO = 1.25
"""Scale of all durations that makes the grammar's sentences about 130 words a minute at rate 1."""

_FRICATIVE_VOICED = frozenset({"V", "DH", "Z", "ZH"})


def _percentage(phones: tuple[str, ...], index: int, before_pause: bool) -> float:
    """Product of the shortening and lengthening rules for one phone of a word, 1 = inherent duration."""
    symbol = phones[index].rstrip("012")
    vowel = symbol in VOWELS
    nuclei = [position for position, phone in enumerate(phones) if phone[-1].isdigit()]
    last_syllable = index >= nuclei[-1]
    factor = 1.0
    if before_pause and last_syllable:
        factor *= 1.4 if vowel else 1.25  # clause-final lengthening
    elif vowel:
        factor *= 0.85 if last_syllable else 0.75  # non-phrase-final shortening
    if vowel and len(nuclei) > 1:
        factor *= 0.85  # polysyllabic shortening
    if vowel and phones[index][-1] != "1":
        factor *= 0.6 if phones[index][-1] == "0" else 0.8  # unstressed shortening
    if vowel and index + 1 < len(phones):
        following = phones[index + 1].rstrip("012")
        weight = 1.0 if before_pause else 0.4  # the effect is full only at the end of a clause
        effect = 1.4 if following in _FRICATIVE_VOICED else 1.2 if following in VOICED_STOPS else 1.0
        effect = 0.75 if following in VOICELESS_STOPS else effect
        factor *= 1 + weight * (effect - 1)
    if not vowel:
        neighbours = [phones[i] for i in (index - 1, index + 1) if 0 <= i < len(phones)]
        if any(not phone[-1].isdigit() for phone in neighbours):
            factor *= 0.7  # consonants in clusters are shorter
    return factor


def schedule(text: str, rate: float, rng: np.random.Generator) -> list[Phone]:
    """Turn a sentence into timed phones.

    Args:
        text: words of the lexicon; commas and final marks become pauses.
        rate: speaking rate, 1 = about 130 words a minute.
        rng: draws the pauses' lengths, 6 % of jitter per phone and each word's vocal effort.

    Returns:
        Contiguous phones from 0 s on, with silence at both ends (0.1 to 0.2 s) and at commas.

    Raises:
        ValueError: a word is not in the lexicon, or the rate is not positive.
    """
    if not rate > 0:
        raise ValueError(f"the speaking rate must be positive, not {rate}")
    words = pronounce(text)
    while words[-1][0] in PAUSES:
        words.pop()
    phones: list[Phone] = []

    def append(symbol: str, duration: float, stress: int = 0, effort: float = 1.0) -> None:
        start = phones[-1].end if phones else 0.0
        phones.append(Phone(start, start + float(duration), symbol, stress, effort))

    append(SILENCE, rng.uniform(0.1, 0.2))
    for position, (word, symbols) in enumerate(words):
        if word in PAUSES:
            append(SILENCE, rng.uniform(0.14, 0.24) / rate)
            continue
        before_pause = position + 1 == len(words) or words[position + 1][0] in PAUSES
        effort = float(np.exp(np.clip(0.16 * rng.normal(), -0.35, 0.35)))
        for index, symbol in enumerate(symbols):
            inherent, minimal = _DURATIONS[symbol.rstrip("012")]
            if symbol[-1] == "0":
                minimal *= 0.6
            factor = _percentage(symbols, index, before_pause)
            duration = (inherent - minimal) * factor + minimal
            duration *= _TEMPO / rate * np.exp(0.06 * rng.normal())
            stress = int(symbol[-1]) if symbol[-1].isdigit() else 0
            append(symbol.rstrip("012"), duration / 1000, stress, effort)
    append(SILENCE, rng.uniform(0.1, 0.2))
    return phones
