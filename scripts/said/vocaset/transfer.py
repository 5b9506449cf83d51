"""Transfers one file over HTTP, resuming where a broken connection stopped.

What has arrived is kept in a hidden `.part` beside the file's place, with what the server said about the whole. It is
resumed only if the server shows that the file is still the same, or if the whole can be verified.
"""

import contextlib
import errno
import itertools
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.auth import HTTPBasicAuth
from tqdm import tqdm

from said.vocaset.addresses import is_on_this_machine, origin, shown
from said.vocaset.credentials import Credentials
from said.vocaset.part import Part
from said.vocaset.receipts import digest_of

ATTEMPTS = 6
"""Attempts in a row that may fail without a byte gained."""
TIMEOUT = (30, 120)
"""Seconds to wait for a connection, and for each piece of an answer."""
_CHUNK = 2**20
_LONGEST_WAIT = 120  # seconds
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_REDIRECTS = 5
_SNIFFED = 2**16  # bytes of a page that are searched for a login
_BLANKS = b"\xef\xbb\xbf\xff\xfe \t\r\n\f\v"  # white space and byte order marks
_MOST_BLANKS = 2**24  # bytes of nothing but blanks after which an answer is not a file
_MOST_UNANNOUNCED = 2**31  # bytes that are accepted of a file of unknown size
_PAGE = re.compile(rb"(\s|<\?xml.*?\?>|<!--.*?-->)*<(!doctype\s+html|(html|head|body|title|meta|script)\b)", re.DOTALL)
_NO_PROXY: dict[str, Any] = {"http": None, "https": None, "all": None}


class DownloadError(RuntimeError):
    """A file cannot be downloaded; the message names the address, the reason and the remedy, but no credential."""


class _TransientError(Exception):
    """Worth another attempt; `answer`, if there is one, may say when."""

    def __init__(self, message: str, answer: requests.Response | None = None):
        super().__init__(message)
        self.answer = None if answer is None else answer.raw


@dataclass(frozen=True, repr=False)
class Source:
    """Where a file comes from.

    Attributes:
        url: its address, without name and password.
        login: the name and password of the address, for HTTP authentication; None: none.
        credentials: what is sent as a form; None: nothing.
        size: rough size in bytes, if known.
        provable: whether the whole can be verified, so that pieces of two different files would be noticed.
    """

    url: str
    login: tuple[bytes, bytes] | None = None
    credentials: Credentials | None = None
    size: int | None = None
    provable: bool = False

    def __str__(self) -> str:
        return shown(self.url)


class _EndlessError(Exception):
    pass


def transfer(source: Source, part: Part, pause: float) -> tuple[str, bool]:
    """Complete a part, in spite of broken connections.

    Args:
        source: where the file comes from.
        part: what has arrived so far.
        pause: seconds before the third attempt in a row, doubled before each further one.

    Returns:
        the sha256 of the whole, and whether it came in pieces.

    Raises:
        DownloadError: it cannot be completed.
    """
    fresh = retries = urllib3.Retry(
        ATTEMPTS - 1, backoff_factor=pause / 2, backoff_max=_LONGEST_WAIT, retry_after_max=_LONGEST_WAIT
    )
    furthest, pieces = part.size, bool(part.size)
    with requests.Session() as session:
        session.auth = lambda request: (
            request
        )  # else requests would send what ~/.netrc has for the host, even over plain http
        while True:
            try:
                return _attempt(session, source, part), pieces
            except _TransientError as error:
                problem, answer = str(error), error.answer
            if part.size > furthest:
                retries = fresh
            furthest, pieces = max(furthest, part.size), True
            if not retries.total:
                raise DownloadError(
                    f"{source}: {problem}; gave up after {ATTEMPTS} tries without a byte gained. The {part.size} bytes "
                    f"that arrived are kept: run again to resume, or put the file at {part.target} by hand"
                )
            retries = retries.increment()
            print(f"{source}: {problem}; trying again", flush=True)
            try:
                retries.sleep(answer)
            except urllib3.exceptions.InvalidHeader:  # its Retry-After cannot be understood
                retries.sleep()


def _attempt(session: requests.Session, source: Source, part: Part) -> str:
    """Make one request, from where the part ends; the sha256 of the whole.

    Raises:
        _TransientError: the connection or the server failed in a way that may pass.
        DownloadError: it failed in a way that will not pass.
    """
    facts = part.facts()
    if facts and facts["total"] == part.size:  # all had arrived
        return digest_of(part.path).hexdigest()
    offset = part.size if facts and (facts["validator"] or source.provable) else 0
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if facts["validator"]:
            headers["If-Range"] = facts["validator"]
    elif facts:
        print(f"{source}: the server cannot show that the file is still the same; starting over", flush=True)
    with contextlib.closing(_ask(session, source, headers)) as response:
        if response.status_code == 416 and offset:  # the file is shorter now, or never was the one that arrived
            part.discard()
            raise _TransientError(f"{offset} bytes had arrived, more than the server has")
        _require_data(response, source)
        chunks, total = _chunks(response), _total(response, offset)
        if response.status_code == 206:
            first = next(chunks, b"")
            _require_no_page(response, first, chunks, source)
            if not offset or not _goes_on(response, offset, facts):
                part.discard()
                raise _TransientError("the file changed between two requests")
            total = facts["total"] or total
        else:
            first = _beginning(chunks)
            _require_no_page(response, first, chunks, source)
            if offset:
                print(f"{source}: the server cannot resume; starting over", flush=True)
        if not first:
            raise _TransientError("an empty answer arrived")
        if source.size and total and total > 2 * source.size:
            raise DownloadError(
                f"{source}: announces {total} bytes, but about {source.size} are expected; if it is the right file, "
                "correct gigabytes in config.yaml"
            )
        require_space(part, total or source.size)
        if response.status_code != 206:
            part.begin(total, _validator(response))
        return _append(part, first, chunks, total, source)


def _goes_on(response: requests.Response, offset: int, facts: dict[str, Any]) -> bool:
    """Whether a partial answer continues the file whose beginning is here."""
    same = facts["validator"] is None or _validator(response) == facts["validator"]
    return same and _start(response) == offset and _total(response, offset) in (facts["total"], None)


def _append(part: Part, first: bytes, chunks: Iterator[bytes], total: int | None, source: Source) -> str:
    """Write what arrives and print the progress every few seconds; the sha256 of the whole."""
    digest = digest_of(part.path)
    begin = last = time.monotonic()
    offset = done = part.size
    most = total or 2 * (source.size or 0) or _MOST_UNANNOUNCED
    try:
        with part.append() as file:
            for chunk in itertools.chain([first], chunks):
                if done + len(chunk) > most:
                    raise _EndlessError
                file.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                now = time.monotonic()
                if now - last >= 5 or done == total:
                    print(f"{part.target.name}: {_meter(done, total, now - begin, offset)}", flush=True)
                    last = now
            file.flush()
            os.fsync(file.fileno())
    except _EndlessError:
        part.discard()
        expected = (
            "were announced" if total else "are expected" if source.size else "are accepted without an announcement"
        )
        reason = f"does not end after {done} bytes, though at most {most} {expected}; what arrived was deleted"
        raise DownloadError(f"{source}: {reason}. Put the file at {part.target} by hand, or use a mirror") from None
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


def _ask(session: requests.Session, source: Source, headers: dict[str, str]) -> requests.Response:
    """The answer to a request, its body still to come. Redirections are followed, but never with a password.

    An exception of `requests` holds the request and its body, and its text the whole address: none of them is let out,
    shown, or chained to what is raised.
    """
    form = None if source.credentials is None else source.credentials.form()
    url = source.url
    for _ in range(_REDIRECTS):
        auth = None
        if source.login is not None and origin(url) == origin(source.url):
            auth = HTTPBasicAuth(*source.login)
        try:
            response = session.request(
                "GET" if form is None else "POST",
                url,
                data=form,
                headers=headers,
                auth=auth,
                proxies=_NO_PROXY if is_on_this_machine(url) else None,
                stream=True,
                allow_redirects=False,
                timeout=TIMEOUT,
            )
        except requests.exceptions.SSLError as error:
            reason = getattr(error.args[0], "reason", error.args[0]) if error.args else error
            failure = DownloadError(f"{shown(url)}: the certificate is not valid: {reason}")
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
            failure = DownloadError(f"{shown(url)}: not a usable address; correct it in config.yaml")
        except requests.exceptions.RequestException as error:
            failure = _TransientError(f"no connection: {type(error).__name__}")
        else:
            failure = None
        if failure:
            raise failure
        if not response.is_redirect:
            return response
        response.close()
        try:
            target = urljoin(url, response.headers["Location"])
        except ValueError:
            raise DownloadError(f"{shown(url)}: redirects to something that is not an address") from None
        if response.status_code in (307, 308) and form is not None and origin(target) != origin(url):
            raise DownloadError(f"{shown(url)}: wants the password sent on to {origin(target)[1]}; it was not sent")
        if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
            raise DownloadError(f"{shown(url)}: redirects to {shown(target)}, which is not encrypted")
        if response.status_code not in (307, 308):
            form = None
        url = target
    raise DownloadError(f"{source}: redirected {_REDIRECTS} times")


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """The body, piece by piece as it comes in, so that nothing is lost when the connection breaks."""
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


def _require_data(response: requests.Response, source: Source) -> None:
    """Refuse, by its status, an answer that is not a file."""
    status = response.status_code
    if status in _TRANSIENT:
        raise _TransientError(f"the server answered {status}", response)
    if status in (401, 403):
        known = source.credentials or source.login
        login = "name or password is wrong, or the licence was not accepted" if known else "access is refused"
        raise DownloadError(f"{source}: {login} (status {status})")
    if status in (404, 410):
        raise DownloadError(f"{source}: the publisher has no file of this name (status {status}); see config.yaml")
    if status not in (200, 206):
        raise DownloadError(f"{source}: answered with status {status}, {response.reason}")
    coding = response.headers.get("Content-Encoding", "identity")
    if coding != "identity":
        raise DownloadError(
            f"{source}: arrived with the encoding {coding}, though none was asked for; a proxy may have done it"
        )


def _beginning(chunks: Iterator[bytes]) -> bytes:
    """What arrives, up to the first chunk with something other than blanks; empty if there is none."""
    beginning = bytearray()
    for chunk in chunks:
        beginning += chunk
        if chunk.strip(_BLANKS):
            return bytes(beginning)
        if len(beginning) > _MOST_BLANKS:
            break
    return b""


def _require_no_page(response: requests.Response, first: bytes, chunks: Iterator[bytes], source: Source) -> None:
    """Refuse a web page that came instead of a file, whatever its status."""
    head = first.lstrip(_BLANKS)[:_SNIFFED].replace(b"\0", b"").lower()  # as in UTF-16
    kind = response.headers.get("Content-Type", "").lower()
    begins = response.status_code == 206 or _PAGE.match(head) is None
    if begins and not kind.startswith(("text/html", "application/xhtml")):
        return
    while len(head) < _SNIFFED and (more := next(chunks, b"")):
        head += more.replace(b"\0", b"").lower()
    if source.credentials is not None and b"password" in head:
        raise DownloadError(
            f"{source}: the login page arrived in place of the file: name or password is wrong, or the licence was "
            "not accepted"
        )
    raise DownloadError(
        f"{source}: a page (HTML) arrived in place of the file; open the address in a browser to see it"
    )


def require_space(part: Part, total: int | None) -> None:
    """Raise DownloadError if the disk has no room for the rest of a file of `total` bytes."""
    folder = part.target.parent
    free, needed = shutil.disk_usage(folder).free, (total or 0) - part.size
    if needed > free:
        raise DownloadError(
            f"{part.target}: needs {needed / 1e9:.3f} GB more, {folder} has {free / 1e9:.3f} GB free; make room, or "
            "set downloads.folder in config.yaml to a larger disk"
        )


def _total(response: requests.Response, offset: int) -> int | None:
    """Bytes of the whole file, from Content-Range or Content-Length; None if neither says."""
    length = response.headers.get("Content-Length", "")
    announced = int(length) if re.fullmatch("[0-9]{1,18}", length) else None
    if response.status_code != 206:
        return announced
    after = response.headers.get("Content-Range", "").rpartition("/")[2]
    if re.fullmatch("[0-9]{1,18}", after):
        return int(after)
    return None if announced is None else offset + announced


def _start(response: requests.Response) -> int | None:
    """Place in the file of the first byte of a partial answer; None if it does not say."""
    begin = re.match("bytes ([0-9]{1,18})-", response.headers.get("Content-Range", ""))
    return int(begin[1]) if begin else None


def _validator(response: requests.Response) -> str | None:
    """What can show later that the file is still the same, byte for byte: a strong ETag, not a weak one or a date."""
    tag = response.headers.get("ETag", "")
    return tag if re.fullmatch('"[^"]+"', tag) else None


def _meter(done: int, total: int | None, elapsed: float, initial: int) -> str:
    """ "12%, 1.2G of 8.0G, 11.5MB/s, 09:50 left"."""
    layout = (
        "{percentage:.0f}%, {n_fmt} of {total_fmt}, {rate_fmt}, {remaining} left" if total else "{n_fmt}, {rate_fmt}"
    )
    return tqdm.format_meter(
        done,
        total,  # pyright: ignore[reportArgumentType], tqdm takes None
        max(elapsed, 1e-3),
        unit="B",
        unit_scale=True,
        initial=initial,
        bar_format=layout,
    )
