"""Files from the network: complete and verified, or not there at all.

The sha256 of a file is written beside it, in the format of sha256sum, and compared every time the file is asked for. A
file that was put there by hand is taken as it is and recorded in the same way.
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
    """Download a published file to a path, once, even if several processes want it at the same time.

    Args:
        url: its address. A name and a password in it, as mirrors may want them, are sent by HTTP authentication, only
            over TLS or to this machine, and are never shown.
        path: its place here. If the file is already there, it is verified, and the network is not used.
        sha256: its checksum, if known; else the one recorded here earlier; else it is recorded now.
        size: rough size in bytes, if known: to check before the transfer that the disk has room. More than twice as
            many are not accepted.
        credentials: returns what is sent as a form (POST), only over TLS or to this machine; called only if needed.
        check: raises ValueError if the content is not what it should be; called before a file is first recorded. If it
            raises anything else, what has arrived is kept.
        pause: seconds before the third attempt in a row, doubled before each further one; the second is immediate.

    Returns:
        the receipt of the file.

    Raises:
        DownloadError: the login is refused, a web page arrives instead of the file, the checksum differs, the check
            fails (of a file put there by hand, too), the disk is full, the certificate is not valid, or the connection
            fails again and again.
        CredentialsError: there are none, or they would be sent unencrypted.
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
        if problem and resumed:  # the pieces may be of two different files
            print(f"{shown(url)}: what arrived in pieces {problem}; starting over", flush=True)
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
    """Compare a file that is already here with its published and its recorded checksum; without a record, check it.

    Args: as of `fetch`.

    Returns:
        the receipt of the file.

    Raises:
        DownloadError: a checksum differs, or the check fails.
    """
    path = Path(path)
    receipt, recorded = describe(path, shown(url)), _recorded(path)
    problem = _objection(path, receipt.sha256, sha256, recorded, None if recorded else check)
    if problem:
        remedy = (
            "If it is yours, replace it, or move it elsewhere to have it fetched"
            if recorded is None
            else f"Delete the file to have it fetched again; if you replaced it on purpose, delete {_sidecar(path)}"
        )
        raise DownloadError(f"{path}: {problem}. {remedy}")
    if recorded is None:
        _record(path, receipt.sha256)
    return receipt


def _objection(
    path: Path, digest: str, published: str | None, recorded: str | None, check: Callable[[Path], None] | None
) -> str | None:
    """Why a file is not the one it should be; None if it is."""
    if published and digest != published.lower():
        return f"has the sha256 {digest}, published is {published}"
    if recorded and digest != recorded:
        return f"has the sha256 {digest}, but {recorded} was recorded when it first arrived"
    if check is not None:
        try:
            check(path)
        except ValueError as error:
            return f"is not usable: {error}"
    return None


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """A block that other processes wanting the same file wait for."""
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
        raise DownloadError(
            f"{sidecar}: holds no sha256; remove it, and the checksum of the file beside it is recorded again"
        )
    return words[0].lower()


def _split(url: str) -> tuple[str, tuple[bytes, bytes] | None]:
    try:
        return split_login(url)
    except ValueError:  # its text has the address, secrets included
        failure = DownloadError(f"{shown(url)}: correct it in config.yaml")
    raise failure


def _record(path: Path, digest: str) -> None:
    write_text(_sidecar(path), f"{digest}  {path.name}\n")
