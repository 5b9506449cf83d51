"""Which recordings train, which validate and which test: the source's split, and its draw of blocks."""

from collections.abc import Sequence
from typing import Literal

import torch

from said.headpose.clips import ROLES

SEED = 42
"""Of the source, for its split; and of this project, for the blocks."""


def split(names: Sequence[str], seed: int = SEED) -> dict[str, list[str]]:
    """The source's split (Section 2.1): 70 % train, 15 % validate, the rest tests, in the order of a permutation.

    Recordings are split, not their speakers, so that a speaker may be in all three.

    Args:
        names: of the recordings, in any order; they are sorted first.
        seed: of `torch.randperm`.

    Raises:
        ValueError: a name stands twice, or there are too few for all three.
    """
    ordered = sorted(names)
    if len(set(ordered)) < len(ordered):
        again = next(name for name, following in zip(ordered, ordered[1:], strict=False) if name == following)
        raise ValueError(f"the recording {again} is listed twice")
    order = torch.randperm(len(ordered), generator=torch.Generator().manual_seed(seed)).tolist()
    first, second = len(order) * 70 // 100, len(order) * 70 // 100 + len(order) * 15 // 100
    parts = (order[:first], order[first:second], order[second:])
    if not all(parts):
        raise ValueError(f"{len(ordered)} recordings cannot be split 70 : 15 : 15; seven are the least")
    return {role: [ordered[index] for index in part] for role, part in zip(ROLES, parts, strict=True)}


def roles(names: Sequence[str], speakers: Sequence[str], by: Literal["sequences", "speakers"]) -> list[str]:
    """The role of each recording.

    Args:
        names: of the recordings.
        speakers: of each.
        by: sequences: as the source; speakers: the same split of the speakers, so that no one is in two parts.

    Raises:
        ValueError: see `split`.
    """
    units = list(names) if by == "sequences" else list(speakers)
    role = {unit: role for role, part in split(list(dict.fromkeys(units))).items() for unit in part}
    return [role[unit] for unit in units]


def draw_blocks(total: int, count: int, seed: int = SEED) -> list[int]:
    """`count` different blocks of `total`, as their numbers from 0; the source trains its motion VQ-VAE on 7,609.

    Raises:
        ValueError: there are not so many.
    """
    if not 0 < count <= total:
        raise ValueError(f"{count} blocks cannot be drawn from {total}")
    return torch.randperm(total, generator=torch.Generator().manual_seed(seed))[:count].tolist()
