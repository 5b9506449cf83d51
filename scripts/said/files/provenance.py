"""The run that a deliverable comes from: its dataset, scale, preset and seed, and the workflow's version.

Pictures, pages and videos say so themselves. A CSV holds only its table, with the paper's columns, so that every
program can read it; its run is in a file beside it, <name>.csv-metadata.json, as in the W3C's "CSV on the Web".
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from said.running.atomic import PathLike, atomic

KEYS = ("dataset", "scale", "preset", "seed", "version")
METADATA = "-metadata.json"
"""What is appended to a CSV's name to get the name of that file."""


def sentence(provenance: Mapping[str, object]) -> str:
    """A run in words: dataset synthetic, scale demo, preset paper, seed 0, version 0.1.0."""
    return ", ".join(f"{key} {provenance[key]}" for key in KEYS)


def run_line(provenance: Mapping[str, object]) -> str:
    """The last line of a page."""
    return f"This run: {sentence(provenance)}."


def write_metadata(path: PathLike, table: PathLike, provenance: Mapping) -> None:
    """Write to `path` which run the CSV `table` comes from."""
    facts = {"url": Path(table).name, **{key: provenance[key] for key in KEYS}}
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def find_others(paths: Iterable[str], provenance: Mapping[str, object]) -> str:
    """The files that come from other runs, by their own account, in a line, by run; empty where there are none."""
    runs: dict[str, list[str]] = {}
    for path in paths:
        other = read(path)
        if other not in (None, sentence(provenance)):
            runs.setdefault(other, []).append(path)
    return "; ".join(f"{', '.join(sorted(files))} ({run})" for run, files in runs.items())


def read(path: PathLike) -> str | None:
    """The run that a CSV or a PNG comes from, as `sentence` words it; None where it is missing or does not say."""
    path = Path(path)
    try:
        if path.suffix == ".csv":
            return sentence(json.loads(path.with_name(f"{path.name}{METADATA}").read_text(encoding="utf-8")))
        if path.suffix == ".png":
            from PIL import Image

            with Image.open(path) as image:
                return image.info.get("Description")
    except (OSError, ValueError, LookupError, TypeError):
        pass
    return None
