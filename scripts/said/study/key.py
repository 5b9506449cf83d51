"""The key of a study: which method each item of its page is. It stays with the researcher.

    {"format": "talking heads key", "version": 1, "study": <digest>, "order": "random",
     "audios": [[item, ...], ...], "groups": [item, ...],
     "items": {item: {"part": 1, "method": "base", "audio": 0}, ...}}

A method's items stand at the same place of each audio, and an item of part 2 shows all audios: its own is null.
"""

from dataclasses import asdict, dataclass
from typing import Any

from said.files.text import read_json, write_json
from said.running.atomic import PathLike
from said.study.orders import Order
from said.study.questions import asked

_HEAD = {"format": "talking heads key", "version": 1}


@dataclass(frozen=True)
class Item:
    """What participants rate.

    Attributes:
        part: 1, a method's film of an audio; 2, a method's films of all.
        method: its name.
        audio: the number of the sentence; None in part 2.
    """

    part: int
    method: str
    audio: int | None


@dataclass(frozen=True)
class Key:
    """Which method each item is.

    Attributes:
        study: digest of all that participants see.
        order: of the screens, see `said.study.orders`.
        audios: of part 1: for each audio its items, a method's at the same place of each.
        groups: the items of part 2.
        items: by their names in the page.
    """

    study: str
    order: Order
    audios: list[list[str]]
    groups: list[str]
    items: dict[str, Item]

    def methods(self, part: int) -> list[str]:
        """Methods of a part, in the order of the configuration."""
        return list(dict.fromkeys(item.method for item in self.items.values() if item.part == part))

    def expected(self) -> list[tuple[str, str]]:
        """Item and question of each rating that a complete participant gives."""
        return [(name, question) for name, item in self.items.items() for question in asked(item.part)]


def write_key(path: PathLike, key: Key) -> None:
    """A key as JSON."""
    write_json(path, _HEAD | asdict(key))


def read_key(path: PathLike) -> Key:
    """What `write_key` wrote.

    Raises:
        ValueError: it is no key of a study.
        UnreadableError: the file is damaged, or not JSON.
    """
    value: Any = read_json(path)
    if not isinstance(value, dict) or {name: value.get(name) for name in _HEAD} != _HEAD:
        raise ValueError(f"{path}: is no key of a study; give the key.json that was made with the page")
    fields = {name: value[name] for name in ("study", "order", "audios", "groups")}
    return Key(**fields, items={name: Item(**item) for name, item in value["items"].items()})
