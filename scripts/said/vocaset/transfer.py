"""One file over HTTP, from where a broken connection left it.

What has arrived lies as a hidden `.part` beside the file's place, with what the server said of the whole beside it.
"""

import contextlib
import errno
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from tqdm import tqdm

from said.files.text import write_json
from said.vocaset.credentials import Credentials
from said.vocaset.receipts import digest_of

ATTEMPTS = 6
"""Tries in a row that may fail without a byte gained."""
TIMEOUT = (30, 120)
"""Seconds to wait for a connection and for each piece of an answer."""
_CHUNK = 2**20
_LONGEST_WAIT = 120.0  # seconds
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_REDIRECTS = 5
_SNIFFED = 2**16  # bytes of a page that are searched for a login


class DownloadError(RuntimeError):
    """The file cannot be had; the message names the address, the reason and the remedy, never a credential."""


class _TransientError(Exception):
    """Worth another try, after `wait` seconds where the server asks for it."""

    def __init__(self, message: str, wait: float | None = None):
        super().__init__(message)
        self.wait = wait


class Part:
    """The bytes of a file that have arrived so far, and what the server said of the whole."""

    def __init__(self, path: Path, url: str):
        self.target, self.url = path, url
        self.path = path.with_name(f".{path.name}.part")
        self._facts = path.with_name(f".{path.name}.part.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def facts(self) -> dict:
        """Total size and validator (ETag or date) of the file that the part belongs to; empty: begin anew."""
        try:
            facts = json.loads(self._facts.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return facts if self.size and facts.get("url") == self.url else {}

    def begin(self, total: int | None, validator: str | None) -> None:
        self.path.write_bytes(b"")
        write_json(self._facts, {"url": self.url, "total": total, "validator": validator})

    def finish(self) -> None:
        self.path.replace(self.target)
        self._facts.unlink(missing_ok=True)

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._facts.unlink(missing_ok=True)


def transfer(url: str, part: Part, size: int | None, credentials: Credentials | None, pause: float) -> str:
    """Let the part grow until it is whole, through broken connections; its sha256."""
    with requests.Session() as session:
        session.auth = lambda request: request  # else it would send what ~/.netrc has for the host, over plain http too
        failures, furthest = 0, part.size
        while True:
            try:
                return _attempt(session, url, part, size, credentials)
            except _TransientError as error:
                problem, asked = str(error), error.wait
            failures = 1 if part.size > furthest else failures + 1
            furthest = max(furthest, part.size)
            if failures >= ATTEMPTS:
                raise DownloadError(
                    f"{url}: {problem}; gave up after {ATTEMPTS} tries without a byte gained. The {part.size} bytes "
                    f"that arrived are kept: run again to go on from there, or put the file at {part.target} by hand"
                )
            wait = min(_LONGEST_WAIT, pause * 2 ** (failures - 1) if asked is None else asked)
            print(f"{url}: {problem}; trying again in {wait:.0f} s", flush=True)
            time.sleep(wait)


def _attempt(session: requests.Session, url: str, part: Part, size: int | None, credentials: Credentials | None) -> str:
    """One request, from where the part ends.

    Raises:
        _TransientError: the connection or the server failed in a way that may pass.
        DownloadError: it will not pass.
    """
    facts = part.facts()
    offset = part.size if facts else 0
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if facts["validator"]:
            headers["If-Range"] = facts["validator"]
    with contextlib.closing(_ask(session, url, headers, credentials)) as response:
        if response.status_code == 416 and offset:  # nothing after the part's end
            if _total(response) in (offset, None) and facts["total"] in (offset, None):
                return digest_of(part.path).hexdigest()
            part.discard()
            raise _TransientError(f"{offset} bytes had arrived, which the server does not know of", wait=0)
        _require_data(response, url, credentials)
        chunks = _chunks(response)
        first = next(chunks, b"")
        _require_no_page(response, first, chunks, url, credentials)
        if response.status_code == 206:
            if not offset or _start(response) != offset or facts["total"] not in (None, _total(response)):
                part.discard()
                raise _TransientError("the file changed between two requests", wait=0)
        elif offset:
            print(f"{url}: the server does not resume; beginning anew", flush=True)
        total = _total(response)
        require_space(part, total or size)
        if response.status_code != 206:
            part.begin(total, _validator(response))
        return _append(part, first, chunks, total)


def _append(part: Part, first: bytes, chunks: Iterator[bytes], total: int | None) -> str:
    """Write what arrives, and say every few seconds how far it is; the sha256 of the whole."""
    digest = digest_of(part.path)
    begin = last = time.monotonic()
    offset = done = part.size
    try:
        with part.path.open("ab") as file:
            for chunk in (c for source in ([first], chunks) for c in source):
                file.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                now = time.monotonic()
                if now - last >= 5 or done == total:
                    print(f"{part.target.name}: {_meter(done, total, now - begin, offset)}", flush=True)
                    last = now
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        reason = error.strerror
    else:
        reason = None
    if reason:
        raise DownloadError(
            f"{part.target}: {reason} after {part.size} bytes, which are kept in {part.path}; make room, or set "
            "downloads.folder in config.yaml to a larger disk, and run again"
        )
    if total is not None and done != total:
        raise _TransientError(f"the connection ended after {done} of {total} bytes")
    return digest.hexdigest()


def _ask(session, url: str, headers: dict, credentials: Credentials | None) -> requests.Response:
    """The answer to a request, its body still to come; redirections are followed, but never with the password.

    An exception of `requests` holds the request and its body: none is let out, or chained to what is raised.
    """
    form = None if credentials is None else credentials.form()
    for _ in range(_REDIRECTS):
        try:
            response = session.request(
                "GET" if form is None else "POST",
                url,
                data=form,
                headers=headers,
                stream=True,
                allow_redirects=False,
                timeout=TIMEOUT,
            )
        except requests.exceptions.SSLError as error:
            failure = DownloadError(f"{url}: the certificate is not valid: {error.args[0]}")
        except requests.exceptions.InvalidURL as error:
            failure = DownloadError(f"{url}: no usable address: {error}")
        except requests.exceptions.RequestException as error:
            failure = _TransientError(f"no connection: {type(error).__name__}")
        else:
            failure = None
        if failure:
            raise failure
        if not response.is_redirect:
            return response
        response.close()
        target = urljoin(url, response.headers["Location"])
        if response.status_code in (307, 308) and form is not None and _origin(target) != _origin(url):
            raise DownloadError(f"{url}: wants the password sent on to {_origin(target)[1]}; it was not")
        if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
            raise DownloadError(f"{url}: leads to {target}, which is not encrypted")
        if response.status_code not in (307, 308):
            form = None
        url = target
    raise DownloadError(f"{url}: redirected {_REDIRECTS} times")


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """The body as it comes in, so that a broken connection, which is transient, loses none of it."""
    while True:
        try:
            piece = response.raw.read1(_CHUNK)
        except urllib3.exceptions.HTTPError as error:
            failure = _TransientError(f"the connection broke: {type(error).__name__}")
        else:
            failure = None
        if failure:
            raise failure
        if not piece:
            return
        yield piece


def _require_data(response: requests.Response, url: str, credentials: Credentials | None) -> None:
    """Refuse answers that are no file, by their status."""
    status = response.status_code
    if status in _TRANSIENT:
        after = response.headers.get("Retry-After", "")
        raise _TransientError(f"the server answered {status}", float(after) if after.isdecimal() else None)
    if status in (401, 403):
        login = "name or password is wrong, or the licence was not accepted" if credentials else "access is refused"
        raise DownloadError(f"{url}: {login} (status {status})")
    if status in (404, 410):
        raise DownloadError(f"{url}: the publisher has no file of this name (status {status}); see config.yaml")
    if status not in (200, 206):
        raise DownloadError(f"{url}: answered with status {status}, {response.reason}")
    coding = response.headers.get("Content-Encoding", "identity")
    if coding != "identity":
        raise DownloadError(
            f"{url}: arrived in the coding {coding}, though it was asked for as it is: a proxy's doing?"
        )


def _require_no_page(
    response: requests.Response, first: bytes, chunks: Iterator[bytes], url: str, credentials: Credentials | None
) -> None:
    """Refuse a page for people in place of a file, whatever status it came with."""
    head = first.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    kind = response.headers.get("Content-Type", "")
    if not kind.startswith("text/html") and not head.startswith((b"<!doctype html", b"<html")):
        return
    while len(head) < _SNIFFED and (more := next(chunks, b"")):
        head += more.lower()
    if credentials is not None and b"password" in head:
        raise DownloadError(
            f"{url}: the login page arrived in place of the file: name or password is wrong, or the licence was "
            "not accepted"
        )
    raise DownloadError(f"{url}: a page (HTML) arrived in place of the file; open the address in a browser to see it")


def require_space(part: Part, total: int | None) -> None:
    """Refuse to begin what the disk has no room for; a part there is goes on, or makes room for the whole."""
    folder = part.target.parent
    free, needed = shutil.disk_usage(folder).free, (total or 0) - part.size
    if needed > free:
        raise DownloadError(
            f"{part.target}: needs {needed / 1e9:.3f} GB more, {folder} has {free / 1e9:.3f} GB free; make room, or "
            "set downloads.folder in config.yaml to a larger disk"
        )


def _total(response: requests.Response) -> int | None:
    """Bytes of the whole file, by Content-Range or Content-Length."""
    after = response.headers.get("Content-Range", "").rpartition("/")[2]
    if after.isdecimal():
        return int(after)
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() and response.status_code == 200 else None


def _start(response: requests.Response) -> int | None:
    """First byte of a partial answer."""
    begin = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(begin) if begin.isdecimal() else None


def _validator(response: requests.Response) -> str | None:
    """What tells a later request that the file is still the same."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def _origin(url: str) -> tuple:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _meter(done: int, total: int | None, elapsed: float, initial: int) -> str:
    """ "12%, 1.2G of 8.0G, 11.5MB/s, 09:50 left"."""
    layout = (
        "{percentage:.0f}%, {n_fmt} of {total_fmt}, {rate_fmt}, {remaining} left" if total else "{n_fmt}, {rate_fmt}"
    )
    return tqdm.format_meter(
        done, total, max(elapsed, 1e-3), unit="B", unit_scale=True, initial=initial, bar_format=layout
    )
