"""Text, JSON and JSON lines."""

import json
from pathlib import Path

from said.running.atomic import PathLike, atomic
from said.running.integrity import reading


def write_text(path: PathLike, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def read_json(path: PathLike):
    with reading(path):
        return json.loads(Path(path).read_text(encoding="utf-8"))


def write_json(path: PathLike, value) -> None:
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_jsonl(path: PathLike, records: list[dict]) -> None:
    """One JSON object per line."""
    write_text(path, "".join(json.dumps(record) + "\n" for record in records))


def read_jsonl(path: PathLike) -> list[dict]:
    with reading(path):
        return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
