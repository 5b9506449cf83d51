"""The table of faults in docs/reliability.md, written by the tests that cause them."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT

_TABLE = re.compile(r"^\|---\|---\|---\|\n((?:\|.*\n)+)", re.M)
_PLAIN = {
    r"process \d+(, \d+)*( on \S+, since \S+ \S+ \(`[^`]*`\))?": "process ...",
    r"Process \d+ on [^ .]+\.": "Process ....",
    r"\d+ bytes": "... bytes",
    r"step \d+ of \d+": "step ... of ...",
}
"""What is another each time."""
_ROWS = pytest.StashKey[dict[str, str]]()


def table_rows() -> list[str]:
    """The rows of the table in docs/reliability.md."""
    return _TABLE.search((ROOT / "docs/reliability.md").read_text())[1].splitlines()


@pytest.fixture
def observed(request: pytest.FixtureRequest) -> Iterator[Callable]:
    """Note what a user saw of a fault, and what was lost: a row that the table must hold as it is."""
    rows = {}

    def note(fault: str, message: str, folder: Path, lost: str = "nothing") -> None:
        seen = message.replace(f"{folder}/", "").replace(str(folder), "FOLDER")
        for pattern, plain in _PLAIN.items():
            seen = re.sub(pattern, plain, seen)
        rows[fault] = f"| {fault} | {seen} | {lost} |"

    yield note
    request.config.stash.setdefault(_ROWS, {}).update(rows)
    missing = [row for row in rows.values() if row not in table_rows()]
    assert not missing, "docs/reliability.md lacks:\n" + "\n".join(missing)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave what was seen where the table can be taken from."""
    if rows := session.config.stash.get(_ROWS, {}):
        folder = session.config.cache.mkdir("reliability")
        table = ["| fault | what you see | what is lost |", "|---|---|---|", *rows.values()]
        (folder / "table.md").write_text("\n".join(table) + "\n")


class Mount:
    """A file system of its own at a folder; needs root."""

    def __init__(self, place: Path):
        self.place = place
        self.mounted = False

    def tmpfs(self, size: str) -> None:
        self("-t", "tmpfs", "-o", f"size={size}", "tmpfs", self.place)

    def read_only(self) -> None:
        self("--bind", self.place, self.place)
        self("-o", "remount,ro,bind", self.place)

    def grow(self, size: str) -> None:
        self("-o", f"remount,size={size}", self.place)

    def __call__(self, *arguments) -> None:
        if shutil.which("mount") is None:
            pytest.skip("no mount command: a full disk cannot be had here")
        done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"needs the right to mount (root): {done.stderr.strip()}")
        self.mounted = True

    def close(self) -> None:
        if self.mounted:
            subprocess.run(["umount", self.place], check=True)
            self.mounted = False


@pytest.fixture
def mount() -> Iterator:
    """Makes mounts that end with the test."""
    mounts = []

    def make(place: Path) -> Mount:
        place.mkdir(parents=True, exist_ok=True)
        mounts.append(Mount(place))
        return mounts[-1]

    yield make
    for one in mounts:
        one.close()
