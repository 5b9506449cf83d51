"""Names from the configuration that become file names: which are taken, and which a file system cannot tell apart."""

from collections.abc import Iterable, Iterator

SPEAKERS = ("quality", "regions")
"""Not for speakers: coefficients/quality and blendshapes/regions.npz are beside their files."""
METHODS = (
    "ground_truth", "oracle", "truth", "mean_motion", "no_motion",
    "end2end", "voca", "meshtalk", "faceformer", "codetalker",
)  # fmt: skip
"""Not for variants: other methods and measurements have these names."""
CHECKSUM = ".sha256"
"""Suffix of the file beside a download that holds its checksum."""


def find_clashes(names: Iterable[str], place: str, taken: Iterable[str] = ()) -> Iterator[str]:
    """A line for each name that is taken, or differs from an earlier one only in upper and lower case.

    To some file systems, macOS's among them, two such names are one file.

    Args:
        names: in their order; the same name again is no clash.
        place: what a line begins with, before the name.
        taken: names that are in use already.
    """
    taken = {name.casefold(): name for name in taken}
    before: dict[str, str] = {}
    for name in dict.fromkeys(names):
        other = before.setdefault(name.casefold(), name)
        if name.casefold() in taken:
            yield f"{place}{name}: the workflow itself uses {taken[name.casefold()]!r}; choose another name"
        elif other != name:
            yield f"{place}{name}: the same file as {other!r} where upper and lower case do not differ; rename one"
