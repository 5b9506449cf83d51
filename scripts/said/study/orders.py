"""In which order a participant sees what: the same as `study.orders.js` computes in the page.

Texts are ASCII. Chance comes from a text, so that an order can be computed again from the answers.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

Order = Literal["balanced", "random"]
_BITS = 0xFFFFFFFF


class Screen(NamedTuple):
    """What is shown at a time.

    Attributes:
        part: 1 or 2.
        position: from 1: in part 1 among the heads of an audio, in part 2 among all.
        item: what is rated, by its name in the page.
    """

    part: int
    position: int
    item: str


def screens(
    study: str, audios: Sequence[Sequence[str]], groups: Sequence[str], order: Order, number: int, code: str
) -> list[Screen]:
    """All screens of a participant.

    Args:
        study: its digest.
        audios: of part 1: for each audio its items, a method's at the same place of each.
        groups: the items of part 2.
        order: balanced: rows of a Williams design by the participant's number, another one for each audio; random: all
            permutations are equally likely.
        number: of the participant, from 0; a random order does not depend on it.
        code: of the participant; a balanced order does not depend on it.
    """
    shown = []
    for audio in _permutation(len(audios), order, number, f"{study}/{code}/audios"):
        items = audios[audio]
        stride = max(1, len(williams(len(items))) // len(audios))
        places = _permutation(len(items), order, number + audio * stride, f"{study}/{code}/{audio}")
        shown += [Screen(1, position, items[place]) for position, place in enumerate(places, start=1)]
    places = _permutation(len(groups), order, number, f"{study}/{code}/groups")
    return shown + [Screen(2, position, groups[place]) for position, place in enumerate(places, start=1)]


def _permutation(count: int, order: Order, number: int, text: str) -> list[int]:
    if order == "random":
        return shuffled(count, text)
    rows = williams(count)
    return rows[number % len(rows)] if rows else []


def williams(count: int) -> list[list[int]]:
    """A Williams design (Williams 1949): rows in which each of `count` things stands at each position equally often.

    Each also follows each other one equally often: once in an even design's `count` rows, twice in an odd one's
    2 `count`.
    """
    first = [(place + 1) // 2 if place % 2 else (count - place // 2) % count for place in range(count)]
    rows = [[(thing + shift) % count for thing in first] for shift in range(count)]
    return rows if count % 2 == 0 else rows + [row[::-1] for row in rows]


def shuffled(count: int, text: str) -> list[int]:
    """A permutation of 0 to `count` - 1 by Fisher and Yates, its chance from a text."""
    state, places = hashed(text), list(range(count))
    for last in range(count - 1, 0, -1):
        state = (state + 0x6D2B79F5) & _BITS
        other = _mixed(state) * (last + 1) >> 32
        places[last], places[other] = places[other], places[last]
    return places


def hashed(text: str) -> int:
    """32 bits of an ASCII text: FNV-1a, then the last step of MurmurHash3."""
    value = 0x811C9DC5
    for letter in text.encode("ascii"):
        value = (value ^ letter) * 0x01000193 & _BITS
    value = (value ^ value >> 16) * 0x85EBCA6B & _BITS
    value = (value ^ value >> 13) * 0xC2B2AE35 & _BITS
    return value ^ value >> 16


def _mixed(state: int) -> int:
    """32 bits from the state of the generator mulberry32."""
    value = (state ^ state >> 15) * (state | 1) & _BITS
    value ^= value + ((value ^ value >> 7) * (value | 61) & _BITS) & _BITS
    return (value ^ value >> 14) & _BITS
