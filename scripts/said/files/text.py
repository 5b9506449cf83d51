"""Text, JSON and JSON lines."""

import json
from pathlib import Path
from typing import Any

from said.running.atomic import PathLike, atomic
from said.running.integrity import reading


def write_text(path: PathLike, text: str) -> None:
    """Write text as UTF-8, with line feeds at the ends of lines on every system."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def read_json(path: PathLike) -> Any:
    """The value of a JSON file.

    Raises:
        UnreadableError: the file is damaged, or not JSON.
    """
    with reading(path):
        return json.loads(Path(path).read_text(encoding="utf-8"))


def write_json(path: PathLike, value: Any) -> None:
    """Write a value as JSON, indented."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_jsonl(path: PathLike, records: list[dict]) -> None:
    """Write records as JSON lines: an object per line."""
    write_text(path, "".join(json.dumps(record) + "\n" for record in records))


def read_jsonl(path: PathLike) -> list[dict]:
    """What `write_jsonl` wrote.

    Raises:
        UnreadableError: the file is damaged, or a line is not JSON.
    """
    with reading(path):
        return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
