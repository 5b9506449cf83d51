"""ARKit's names in the spellings that programs and artists give them."""

import re
from collections.abc import Iterable, Sequence

from said.arkit import BLENDSHAPES

_APART = re.compile(r"[^0-9A-Za-z]+")
_AFTER = re.compile(r"(?:[0-9]+|shape)?[^0-9a-z]*\Z", re.IGNORECASE)
_LONGEST = 200  # characters that are looked at, from the end: longer ones are not meant to be read
_FURTHER = 1000  # more than the words in them


def _spellings() -> dict[str, str]:
    """ARKit's name of each of its spellings, which have no capitals and nothing between their words."""
    found = {name.lower(): name for name in BLENDSHAPES}
    for name in BLENDSHAPES:
        for side in ("Left", "Right"):
            stem = name.removesuffix(side).lower()
            if name.endswith(side):
                found.setdefault(stem + side[0].lower(), name)
                if stem not in ("jaw", "mouth"):  # "left mouth" might be any of several
                    found.setdefault(side.lower() + stem, name)
                    found.setdefault(side[0].lower() + stem, name)
    return found


_SPELLINGS = _spellings()


def arkit_name(name: str) -> str | None:
    """ARKit's name for a target, None where it is none.

    Capitals, underscores, dashes, dots and spaces do not matter; Left and Right may be L and R; whatever stands before
    a separator, such as the "blendShape." of Maya or a mesh's name, may precede it, and a number or Shape may follow.
    """
    found = _match(name)
    return found[0] if found else None


def _match(name: str) -> tuple[str, int] | None:
    """ARKit's name, and how far the spelling is from it: words before it, and more for what follows it."""
    name, far = name[-_LONGEST:], 0
    while True:
        words = [word for word in _APART.split(name) if word]
        for begin in range(len(words)):
            if found := _SPELLINGS.get("".join(words[begin:]).lower()):
                return found, far + begin
        # Blender numbers what it duplicates, jawOpen.001, and Maya calls a mesh jawOpenShape.
        shorter = _AFTER.sub("", name)
        if shorter == name:
            return None
        name, far = shorter, far + _FURTHER


def match_names(names: Sequence[str]) -> dict[str, int]:
    """ARKit's names that a list of targets has, and the place of each.

    Where several would do, the one spelled exactly, else the one with the fewest words before it, else the first: a
    corrective shape such as jawOpen_mouthClose is no mouthClose where there is one.
    """
    found: dict[str, tuple[bool, int, int]] = {}
    for place, name in enumerate(names):
        if match := _match(name):
            known, far = match
            rank = (name != known, far, place)
            found[known] = min(found.get(known, rank), rank)
    return {known: rank[-1] for known, rank in found.items()}


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """ARKit's names in the order of `said.arkit.BLENDSHAPES`."""
    present = set(names)
    return tuple(name for name in BLENDSHAPES if name in present)
