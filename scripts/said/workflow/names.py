"""Names of the configuration that become names of files: which are taken, and which a file system holds for one."""

from collections.abc import Iterable, Iterator

SPEAKERS = ("quality", "regions")
"""No speakers: coefficients/quality and blendshapes/regions.npz stand beside theirs."""
METHODS = ("ground_truth", "oracle", "truth")
"""No variants: they are or name other things that are measured."""
CHECKSUM = ".sha256"
"""What is appended to the name of a download for its checksum's."""


def find_clashes(names: Iterable[str], place: str, taken: Iterable[str] = ()) -> Iterator[str]:
    """A line for each name that is taken, or differs from one before by small and capital letters alone.

    Some file systems, macOS's among them, hold two such names for one file.

    Args:
        names: in their order; the same one again is no clash.
        place: what a line begins with, before the name.
        taken: names that are in use already.
    """
    taken = {name.casefold(): name for name in taken}
    before: dict[str, str] = {}
    for name in dict.fromkeys(names):
        other = before.setdefault(name.casefold(), name)
        if name.casefold() in taken:
            yield f"{place}{name}: the workflow has {taken[name.casefold()]!r} of its own; choose another name"
        elif other != name:
            yield f"{place}{name}: one file with {other!r} where capital letters do not count; rename one of them"
