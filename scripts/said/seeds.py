"""A seed for each purpose, derived from the seed of the run."""

import hashlib


def derive_seed(seed: int, *names: str | int) -> int:
    """A seed of its own for each purpose: 63 bits from the run's seed and names such as stage and speaker."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def training_seed(seed: int, number: int) -> int:
    """The seed of a training, the same for every variant.

    Args:
        seed: of the run.
        number: which of the trainings that `said.seeds` of the configuration asks for, from 0. Number 0 has the seed
            that the training has where only one is asked for.
    """
    return derive_seed(seed, "said", *([number] if number else []))
