"""Whose a deliverable is: dataset, scale, preset and seed of its run, and the workflow's version.

Pictures, pages and videos say it themselves. A CSV holds its table alone, which every program reads as it is and whose
columns are the paper's; what it is of stands beside it, in <name>.csv-metadata.json, as the W3C's "CSV on the Web" has
it.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from said.running.atomic import PathLike, atomic

KEYS = ("dataset", "scale", "preset", "seed", "version")
METADATA = "-metadata.json"
"""What is appended to a CSV's name for that of the file beside it."""


def sentence(provenance: Mapping[str, object]) -> str:
    """What is shown: dataset synthetic, scale demo, preset paper, seed 0, version 0.1.0."""
    return ", ".join(f"{key} {provenance[key]}" for key in KEYS)


def run_line(provenance: Mapping[str, object]) -> str:
    """The last line of a page."""
    return f"This run: {sentence(provenance)}."


def write_metadata(path: PathLike, table: PathLike, provenance: Mapping) -> None:
    """Say at `path` whose the CSV `table` is."""
    facts = {"url": Path(table).name, **{key: provenance[key] for key in KEYS}}
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def find_others(paths: Iterable[str], provenance: Mapping[str, object]) -> str:
    """Those of the files that say they are another run's, in one line, by run; empty where there is none."""
    runs: dict[str, list[str]] = {}
    for path in paths:
        other = read(path)
        if other not in (None, sentence(provenance)):
            runs.setdefault(other, []).append(path)
    return "; ".join(f"{', '.join(sorted(files))} ({run})" for run, files in runs.items())


def read(path: PathLike) -> str | None:
    """What a CSV or a PNG says of itself, as `sentence` puts it; None where it says nothing or is not there."""
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
