"""Files from the network: whole and verified, or not there.

The sha256 of a file is written beside it, as sha256sum does, and compared each time that it is asked for again. A file
that was put in its place by hand is taken as it is and recorded likewise.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock

from said.files.text import write_text
from said.running.atomic import PathLike
from said.vocaset.addresses import shown, split_login
from said.vocaset.credentials import Credentials, require_private_channel
from said.vocaset.part import Part
from said.vocaset.receipts import Receipt, describe
from said.vocaset.transfer import DownloadError, Source, require_space, transfer

__all__ = ["DownloadError", "fetch", "verify"]


def fetch(
    url: str,
    path: PathLike,
    *,
    sha256: str | None = None,
    size: int | None = None,
    credentials: Callable[[], Credentials] | None = None,
    check: Callable[[Path], None] | None = None,
    pause: float = 1.0,
) -> Receipt:
    """Bring a published file to a path, once, whoever else tries the same at the same time.

    Args:
        url: its address. A name and a password in it, as mirrors may want them, are sent as HTTP has it, over TLS or to
            this machine alone, and shown nowhere.
        path: its place here. A file that is there already is verified, and the network left alone.
        sha256: its checksum, where known; else the one recorded here before; else it is recorded now.
        size: bytes, where roughly known, to see before the transfer that the disk has room; more than twice as many
            are not taken.
        credentials: gives what is sent as a form (POST), over TLS or to this machine alone; asked only if needed.
        check: raises ValueError if the content is not what it should be; asked before a file is first recorded. Of
            anything else that it raises, what has arrived is kept.
        pause: seconds before the third try in a row; doubled before each further one. The second comes at once.

    Raises:
        DownloadError: the login is refused, a page arrives in place of the file, the checksum is another, the check
            fails, also that of a file put there by hand, the disk is full, the certificate is not valid, or the
            connection fails time after time.
        CredentialsError: there are none, or they would be sent in the clear.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path):
        if path.exists():
            return verify(path, url, sha256, check)
        address, login = _split(url)
        if credentials is not None or login is not None:
            require_private_channel(address)
        part = Part(path, shown(url))
        require_space(part, size)
        source = Source(address, login, None if credentials is None else credentials(), size, bool(sha256 or check))
        digest, resumed = transfer(source, part, pause)
        problem = _objection(part.path, digest, sha256, _recorded(path), check)
        if problem and resumed:  # it may be halves of two files
            print(f"{shown(url)}: what arrived in pieces {problem}; beginning anew", flush=True)
            part.discard()
            digest, _ = transfer(source, part, pause)
            problem = _objection(part.path, digest, sha256, _recorded(path), check)
        if problem:
            part.discard()
            raise DownloadError(
                f"{shown(url)}: what arrived {problem}; it was deleted. If the publisher has changed the file, correct "
                f"config.yaml or delete {_sidecar(path)}"
            )
        _record(path, digest)
        part.finish()
    return describe(path, shown(url), digest)


def verify(path: PathLike, url: str, sha256: str | None = None, check: Callable[[Path], None] | None = None) -> Receipt:
    """A file that is already here, compared with its published and its recorded checksum, or checked and recorded.

    Raises:
        DownloadError: a checksum is another, or the check fails.
    """
    path = Path(path)
    found, recorded = describe(path, shown(url)), _recorded(path)
    problem = _objection(path, found.sha256, sha256, recorded, None if recorded else check)
    if problem:
        remedy = (
            "If it is yours, put another in its place, or move it elsewhere to have it fetched"
            if recorded is None
            else f"Delete the file to have it fetched again; if you replaced it on purpose, delete {_sidecar(path)}"
        )
        raise DownloadError(f"{path}: {problem}. {remedy}")
    if recorded is None:
        _record(path, found.sha256)
    return found


def _objection(
    path: Path, digest: str, published: str | None, recorded: str | None, check: Callable[[Path], None] | None
) -> str | None:
    """Why a file is not the one it should be."""
    if published and digest != published.lower():
        return f"has the sha256 {digest}, published is {published}"
    if recorded and digest != recorded:
        return f"has the sha256 {digest}, recorded when it was first here is {recorded}"
    if check is not None:
        try:
            check(path)
        except ValueError as error:
            return f"is not usable: {error}"
    return None


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes that want the same file waiting."""
    lock = filelock.FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        print(f"{path.name}: another process is fetching it; waiting", flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _recorded(path: Path) -> str | None:
    sidecar = _sidecar(path)
    try:
        words = sidecar.read_text(encoding="utf-8", errors="replace").split()
    except FileNotFoundError:
        return None
    if not words or not re.fullmatch(r"[0-9a-f]{64}", words[0], re.ASCII | re.IGNORECASE):
        raise DownloadError(f"{sidecar}: holds no sha256; remove it, and what lies beside it is recorded anew")
    return words[0].lower()


def _split(url: str) -> tuple[str, tuple[bytes, bytes] | None]:
    try:
        return split_login(url)
    except ValueError:  # it holds the address, and whatever is in that
        failure = DownloadError(f"{shown(url)}: correct it in config.yaml")
    raise failure


def _record(path: Path, digest: str) -> None:
    write_text(_sidecar(path), f"{digest}  {path.name}\n")
