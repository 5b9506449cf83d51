"""ARKit's names in the spellings that programs and artists give them."""

import re
from collections.abc import Iterable, Sequence

from said.arkit import BLENDSHAPES

_APART = re.compile(r"[^0-9A-Za-z]+")


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
    return found


_SPELLINGS = _spellings()


def arkit_name(name: str) -> str | None:
    """ARKit's name for a target, None where it is none.

    Capitals, underscores, dashes, dots and spaces do not matter; Left and Right may be L and R; whatever stands before
    a separator, such as the "blendShape." of Maya or a mesh's name, may precede it.
    """
    words = [word for word in _APART.split(name) if word]
    for begin in range(len(words)):
        if found := _SPELLINGS.get("".join(words[begin:]).lower()):
            return found
    # Blender numbers what it duplicates: jawOpen.001.
    return arkit_name(".".join(words[:-1])) if len(words) > 1 and words[-1].isdigit() else None


def match_names(names: Sequence[str]) -> dict[str, int]:
    """ARKit's names that a list of targets has, and the place of each: where two would do, the one spelled exactly."""
    found: dict[str, int] = {}
    for place, name in enumerate(names):
        known = arkit_name(name)
        if known and (known not in found or (name == known and names[found[known]] != known)):
            found[known] = place
    return found


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """ARKit's names in the order of `said.arkit.BLENDSHAPES`."""
    present = set(names)
    return tuple(name for name in BLENDSHAPES if name in present)
