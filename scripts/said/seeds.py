"""Seeds: one for each purpose, derived from the run's."""

import hashlib


def derive_seed(seed: int, *names: str | int) -> int:
    """A seed of its own for each purpose: 63 bits from the run's seed and names such as stage and speaker."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def training_seed(seed: int, number: int) -> int:
    """The seed of the training with that number of `said.seeds`, the same for every variant.

    Number 0 adds nothing to the name: it is the training of a configuration that asks for no seeds.
    """
    return derive_seed(seed, "said", *([number] if number else []))
