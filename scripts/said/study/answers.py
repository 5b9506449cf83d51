"""The answers that the page saves, as JSON or CSV: read back only if they can be what a participant of this study gave.

`study.orders.js` writes what is read here. A CSV repeats the head of the JSON in every row.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from said.files.tables import read_cells
from said.files.text import read_json, write_json
from said.running.atomic import PathLike
from said.running.integrity import reading_own
from said.study.key import Key
from said.study.orders import Screen, screens
from said.study.questions import QUESTIONS, SCORES

_FORMAT, _VERSION = "talking heads answers", 1
_HEAD = ("format", "version", "study", "participant", "number", "simulated")
_CODE = re.compile(r"[a-z0-9]{8}", re.ASCII)
_LARGEST = 1_000_000
"""Bytes of a file; a complete participant's have 6,000."""


class Rating(NamedTuple):
    """A participant's answer to one question.

    Attributes:
        screen: from 1, in the order in which they were shown.
        part, position, item: see `said.study.orders.Screen`.
        question: its name.
        rating: 1 to 5.
        seconds: from the beginning of the screen to the choice.
    """

    screen: int
    part: int
    position: int
    item: str
    question: str
    rating: int
    seconds: float


@dataclass(frozen=True)
class Answers:
    """All answers of a participant.

    Attributes:
        participant: the random code.
        number: of the participant, which decides a balanced order.
        ratings: in the order in which they were given.
        source: the file.
    """

    participant: str
    number: int
    ratings: tuple[Rating, ...]
    source: str = ""


def write_answers(path: PathLike, answers: Answers, study: str, simulated: bool) -> None:
    """Answers as the page saves them; simulated ones say so."""
    head = (_FORMAT, _VERSION, study, answers.participant, answers.number, simulated)
    ratings = [rating._asdict() for rating in answers.ratings]
    write_json(path, dict(zip(_HEAD, head, strict=True)) | {"ratings": ratings})


def find_answers(folder: PathLike) -> list[Path]:
    """The files of answers in a folder, sorted; none where there is no such folder."""
    return sorted(path for path in Path(folder).glob("*") if path.suffix in (".json", ".csv") and path.is_file())


def read_all(paths: Iterable[PathLike], key: Key, simulated: bool = False) -> list[Answers]:
    """The answers of all participants of a study, sorted by their codes.

    The JSON and the CSV of a participant count once, if they say the same.

    Args:
        paths: their files.
        key: of the study.
        simulated: whether simulated answers are wanted, and no others.

    Raises:
        ValueError: a file is damaged, of another study, simulated where it should not be, or not as the page writes it;
            or a participant is there twice. Names the file, the place in it and the remedy.
    """
    found: dict[str, Answers] = {}
    for path in map(Path, paths):
        answers = read_answers(path, key, simulated)
        other = found.setdefault(answers.participant, answers)
        copies = {Path(other.source).suffix, path.suffix} == {".json", ".csv"}
        if other is not answers and not (copies and other.ratings == answers.ratings):
            raise ValueError(
                f"{path}: the participant {answers.participant} is in {other.source} too; remove one of the two files"
            )
    return [found[code] for code in sorted(found)]


def read_answers(path: Path, key: Key, simulated: bool = False) -> Answers:
    """The answers of one file.

    Raises:
        ValueError: see `read_all`.
    """
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"{path}: is too large for answers; {_AGAIN}")
    with reading_own():
        head, entries = _from_json(path) if path.suffix == ".json" else _from_csv(path)
    if head.get("format") != _FORMAT:
        raise ValueError(f"{path}: is no file of answers; remove it, or replace it with what the page saved")
    if head["version"] != _VERSION:
        raise ValueError(
            f"{path}: is of version {head['version']}, not {_VERSION}; analyse it with the version it is of"
        )
    if head["study"] != key.study:
        raise ValueError(
            f"{path}: answers the study {head['study']}, and the key is of {key.study}; move the file away, or analyse "
            "it with the key that was made with its own page"
        )
    if head["simulated"] is not simulated:
        raise ValueError(
            f"{path}: is {'simulated' if head['simulated'] else 'not simulated'}; simulated answers and a study's are "
            "never analysed together: move it away"
        )
    code, number = head["participant"], head["number"]
    if not (isinstance(code, str) and _CODE.fullmatch(code)):
        raise ValueError(f"{path}: participant is {code!r}, not eight letters and digits; {_AGAIN}")
    if not _whole(number) or number < 0:
        raise ValueError(f"{path}: number is {number!r}, not 0 or more; {_AGAIN}")
    shown = screens(key.study, key.audios, key.groups, key.order, number, code)
    ratings: list[Rating] = []
    for place, entry in entries:
        try:
            ratings.append(_rating(entry, key, shown, ratings))
        except ValueError as error:
            raise ValueError(f"{path}: {place}: {error}; {_AGAIN}") from None
    return Answers(code, number, tuple(ratings), str(path))


_AGAIN = "ask for the file as the page saved it"
_Entry = tuple[str, Mapping[str, Any]]


def _from_json(path: Path) -> tuple[dict[str, Any], list[_Entry]]:
    value = read_json(path)
    if not isinstance(value, dict) or {*_HEAD, "ratings"} - value.keys() or not isinstance(value["ratings"], list):
        return {}, []
    entries = [entry if isinstance(entry, dict) else {} for entry in value["ratings"]]
    return value, [(f"rating {number}", entry) for number, entry in enumerate(entries, start=1)]


def _from_csv(path: Path) -> tuple[dict[str, Any], list[_Entry]]:
    table = read_cells(path)
    if table.header != (*_HEAD, *Rating._fields) or not table.rows:
        return {}, []
    first = table.rows[0][: len(_HEAD)]
    entries = []
    for row, line in zip(table.rows, table.lines, strict=True):
        if row[: len(_HEAD)] != first:
            raise ValueError(f"{path}: line {line} is of another study or participant than line 2; {_AGAIN}")
        entry = dict(zip(Rating._fields, row[len(_HEAD) :], strict=True))
        numbers = {name: _number(entry[name]) for name in entry if name not in ("item", "question")}
        entries.append((f"line {line}", entry | numbers))
    head: dict[str, Any] = dict(zip(_HEAD, first, strict=True))
    head |= {name: _number(head[name]) for name in ("version", "number")}
    head["simulated"] = {"true": True, "false": False}.get(head["simulated"], head["simulated"])
    return head, entries


def _number(text: str) -> int | float | str:
    """What JSON would make of a number; other text as it is."""
    if re.fullmatch(r"-?\d{1,15}", text, re.ASCII):
        return int(text)
    return float(text) if re.fullmatch(r"\d{1,15}\.\d{1,15}", text, re.ASCII) else text


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _rating(entry: Mapping[str, Any], key: Key, shown: list[Screen], before: list[Rating]) -> Rating:
    """An entry as a rating that this participant can have given."""
    if missing := [name for name in Rating._fields if name not in entry]:
        raise ValueError(f"lacks {', '.join(missing)}")
    rating = Rating(**{name: entry[name] for name in Rating._fields})
    if rating.item not in key.items:
        raise ValueError(f"item {rating.item!r} is none of the study's")
    if rating.question not in QUESTIONS or QUESTIONS[rating.question].part != key.items[rating.item].part:
        raise ValueError(f"question {rating.question!r} is not asked of {rating.item}")
    if not _whole(rating.rating) or rating.rating not in SCORES:
        raise ValueError(f"rating is {rating.rating!r}, not 1, 2, 3, 4 or 5")
    if not _whole(rating.screen) or not 1 <= rating.screen <= len(shown):
        raise ValueError(f"screen is {rating.screen!r}, and there are {len(shown)}")
    if Screen(rating.part, rating.position, rating.item) != shown[rating.screen - 1]:
        raise ValueError(f"screen {rating.screen} showed this participant {shown[rating.screen - 1].item}")
    seconds = rating.seconds
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        raise ValueError(f"seconds are {seconds!r}, not a number of at least 0")
    if any((rating.item, rating.question) == (other.item, other.question) for other in before):
        raise ValueError(f"{rating.question} of {rating.item} was rated before")
    return rating


def missing(answers: Answers, key: Key) -> int:
    """How many ratings a participant has not given."""
    return len(key.expected()) - len(answers.ratings)


def iterate(several: Iterable[Answers]) -> Iterator[tuple[Answers, Rating]]:
    """Each rating with whose it is."""
    for answers in several:
        for rating in answers.ratings:
            yield answers, rating
