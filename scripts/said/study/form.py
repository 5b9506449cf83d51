"""The page of a study: one file that asks nobody for anything, opened from the disk or from a server.

Participants, and whoever reads its source, find no name of a method in it: items have opaque names, films have lost
their metadata, and what belongs to what is in the key (`said.study.key`) alone.
"""

import base64
import hashlib
import html
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from said.files.text import write_text
from said.files.video import Bare
from said.running.atomic import PathLike, atomic
from said.seeds import derive_seed
from said.settings import Settings
from said.study.key import Item, Key
from said.study.orders import Order
from said.study.questions import QUESTIONS

_FOLDER = Path(__file__).parent
EMBEDDED = 60_000_000
"""Bytes of films, as text, that a page may hold; more are files beside it."""
_AT_ONCE = 2
"""Fewest methods that can be compared."""
VIDEOS = "videos"
"""The folder beside the page where its films are, if they are not in it."""


@dataclass(frozen=True)
class StudySettings(Settings):
    """The section `study` of config.yaml, as far as the page shows it.

    Attributes:
        title: of the page.
        consent: paragraphs that a participant agrees to; none: nothing is asked.
        order: of the screens, see `said.study.orders`.
        post_url: where answers can be sent, beside being saved; None: nowhere.
    """

    title: str
    consent: Sequence[str]
    order: Order = "random"
    post_url: str | None = None


@dataclass(frozen=True)
class Part:
    """The films of a part.

    Attributes:
        films: by method, its films in the order of the numbers.
        numbers: of the audios.
    """

    films: Mapping[str, Sequence[Bare]]
    numbers: Sequence[int]


def design(first: Part, second: Part, settings: StudySettings, seed: int) -> tuple[Key, dict[str, list[str]]]:
    """The key of a study, and the films that each of its items shows, by their names in the page.

    Raises:
        ValueError: a part has a single method, or no part has any.
    """
    for number, part in enumerate((first, second), start=1):
        if len(part.films) == 1:
            raise ValueError(
                f"study.part{number}.methods: {next(iter(part.films))} alone; nothing can be compared: list at least "
                f"{_AT_ONCE} methods, or none to leave the part out"
            )
    if not first.films and not second.films:
        raise ValueError("study: neither part has methods; list at least two in study.part1.methods or part2.methods")
    items: dict[str, Item] = {}
    shown: dict[str, list[str]] = {}
    audios = []
    for audio in first.numbers if first.films else ():
        names = [_name(seed, 1, method, audio) for method in first.films]
        items |= {name: Item(1, method, audio) for name, method in zip(names, first.films, strict=True)}
        shown |= {name: [name] for name in names}
        audios.append(names)
    for method in second.films:
        name = _name(seed, 2, method, "all")
        items[name] = Item(2, method, None)
        shown[name] = [_name(seed, 2, method, audio) for audio in second.numbers]
    groups = [name for name, item in items.items() if item.part == 2]
    content = [settings.order, audios, groups, shown, [question._asdict() for question in QUESTIONS.values()]]
    content += [hashlib.sha256(film.content).hexdigest() for _, film in _films(first, second, seed)]
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    return Key(digest, settings.order, audios, groups, items), shown


def write_form(
    page: PathLike, folder: Path, first: Part, second: Part, settings: StudySettings, seed: int, most: int = EMBEDDED
) -> Key:
    """Write the page of a study.

    Args:
        page: the HTML file.
        folder: where its films are written if they are too large to be in it; it will be `VIDEOS` beside the page.
        first, second: films of the two parts.
        seed: of the items' names.
        most: bytes of films, as text, that the page may hold.

    Returns:
        its key.

    Raises:
        ValueError: see `design`.
    """
    key, shown = design(first, second, settings, seed)
    films = dict(_films(first, second, seed))
    embedded = sum(4 * len(film.content) // 3 for film in films.values()) <= most
    if not embedded:
        for name, film in films.items():
            with atomic(folder / f"{name}.mp4") as temporary:
                temporary.write_bytes(film.content)
    data = {
        "digest": key.study, "title": settings.title, "consent": [*settings.consent], "order": key.order,
        "audios": key.audios, "groups": key.groups, "films": shown, "post": settings.post_url,
        "folder": None if embedded else VIDEOS,
        "questions": [{"name": name, **question._asdict()} for name, question in QUESTIONS.items()],
    }  # fmt: skip
    # Sorted by name, so that the order tells nothing.
    elements = (
        f'<script type="text/plain" id="film-{name}">{base64.b64encode(film.content).decode()}</script>\n'
        for name, film in sorted(films.items())
        if embedded
    )
    style, form, script = (_read(f"study.{kind}") for kind in ("css", "orders.js", "js"))
    parts = {
        "TITLE": html.escape(settings.title),
        "POLICY": "; ".join(_policy(style, [form, script], settings.post_url, embedded)),
        "STYLE": style, "FORM": form, "PAGE": script,
        "DATA": json.dumps(data).replace("<", "\\u003c"),  # in JSON that stands in a page, it could end the element
        "FILMS": "".join(elements),
    }  # fmt: skip
    text = _read("study.html")
    for name, part in parts.items():
        text = text.replace(f"@{name}@", part)
    write_text(page, text)
    return key


def _name(seed: int, part: int, method: str, audio: int | str) -> str:
    return f"{derive_seed(seed, 'study', part, method, audio):016x}"[-8:]


def _films(first: Part, second: Part, seed: int) -> Iterator[tuple[str, Bare]]:
    for number, part in enumerate((first, second), start=1):
        for method, films in part.films.items():
            for audio, film in zip(part.numbers, films, strict=True):
                yield _name(seed, number, method, audio), film


def _policy(style: str, scripts: Sequence[str], post_url: str | None, embedded: bool) -> Iterator[str]:
    """What the page may do: nothing but run these scripts, show its films and send answers where it is told to."""
    yield "default-src 'none'"
    yield f"script-src {' '.join(map(_hash, scripts))}"
    yield f"style-src {_hash(style)}"
    yield "media-src blob:" if embedded else "media-src 'self' file:"
    yield "img-src data:"
    if post_url:
        address = urlsplit(post_url)
        yield f"connect-src {address.scheme}://{address.netloc}"
    yield "base-uri 'none'"
    yield "form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
