"""The source's split of sequences (supplement, Section 2.1): shuffled with seed 42; 70, 15 and 15 percent."""

from collections.abc import Iterable

import torch

_SEED = 42
_SHARES = (0.7, 0.15)


def split(names: Iterable[str]) -> tuple[list[str], list[str], list[str]]:
    """Names for training, validation and test. They are sorted before they are shuffled; shares are rounded down."""
    ordered = sorted(names)
    order = torch.randperm(len(ordered), generator=torch.Generator().manual_seed(_SEED)).tolist()
    first, second = (int(share * len(ordered)) for share in _SHARES)
    shuffled = [ordered[number] for number in order]
    return shuffled[:first], shuffled[first : first + second], shuffled[first + second :]
