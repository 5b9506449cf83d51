"""The phones of the synthetic speech: ARPAbet symbols, their classes and a timed phone."""

from collections.abc import Sequence
from dataclasses import dataclass

SILENCE = "SIL"

VOWELS = (
    "AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW",
)  # fmt: skip

CONSONANTS = (
    "B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH", "T", "TH", "V",
    "W", "Y", "Z", "ZH",
)  # fmt: skip

PHONES = (SILENCE, *VOWELS, *CONSONANTS)
"""The 40 classes of a frame: silence is 0. ``AH`` with stress 0 is the reduced vowel (schwa)."""

BILABIALS = frozenset({"B", "M", "P"})
NASALS = frozenset({"M", "N", "NG"})
VOICELESS_STOPS = frozenset({"P", "T", "K"})
VOICED_STOPS = frozenset({"B", "D", "G"})
STOPS = VOICELESS_STOPS | VOICED_STOPS
AFFRICATES = frozenset({"CH", "JH"})
VOICELESS = VOICELESS_STOPS | frozenset({"CH", "F", "HH", "S", "SH", "TH", SILENCE})


@dataclass(frozen=True)
class Phone:
    """One phone of an utterance.

    Attributes:
        start, end: seconds from the beginning of the utterance, ``start < end``.
        symbol: one of :data:`PHONES`, without a stress digit.
        stress: 1 primary, 2 secondary, 0 none (also for consonants and silence).
        effort: vocal effort of the word, about 0.7 to 1.4; it raises loudness, the first formant and the
            opening of the jaw together, as it does in people.
    """

    start: float
    end: float
    symbol: str
    stress: int = 0
    effort: float = 1.0

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start


def check_phones(phones: Sequence[Phone]) -> None:
    """Refuse phones that are unknown, of no length, or out of order.

    Raises:
        ValueError: names the first offending phone.
    """
    if not phones:
        raise ValueError("there are no phones: give at least one, silence included")
    previous_end = 0.0
    for index, phone in enumerate(phones):
        if phone.symbol not in PHONES:
            raise ValueError(f"phone {index} is {phone.symbol!r}, which is none of {', '.join(PHONES)}")
        if not phone.end > phone.start:
            raise ValueError(f"phone {index} ({phone.symbol}) ends at {phone.end} s, not after its start")
        if phone.start < previous_end - 1e-6:
            raise ValueError(f"phone {index} ({phone.symbol}) starts before the previous one has ended")
        previous_end = phone.end
