"""Addresses of files: the login in them, and how to show them without their secrets."""

import re
from urllib.parse import parse_qsl, unquote_to_bytes, urlencode, urlsplit

_SECRET = re.compile(
    r"auth|code|cred|jwt|key|login|pass|policy|pwd|se?cret|session|sig|token|user|^(ak|sk|sv|st|se|sp)$", re.IGNORECASE
)
"""Names of parameters of an address that may grant access: tokens, signatures, keys."""
_UNREADABLE = "an address that cannot be read"


def split_login(url: str) -> tuple[str, tuple[bytes, bytes] | None]:
    """An address without its name and password, and these two; None where it has none.

    Raises:
        ValueError: it is not an address.
    """
    parts = urlsplit(url)
    place = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    if place.netloc == parts.netloc:
        return url, None
    return place.geturl(), (unquote_to_bytes(parts.username or ""), unquote_to_bytes(parts.password or ""))


def shown(url: str) -> str:
    """An address as messages, logs and receipts show it: without name and password, secrets replaced by ***."""
    try:
        place, _ = split_login(url)
        parts = urlsplit(place)
    except ValueError:
        return _UNREADABLE
    if not parts.netloc:
        return _UNREADABLE
    if any(_SECRET.search(name) for name, _ in parse_qsl(parts.query, keep_blank_values=True)):
        query = [
            (name, "***" if _SECRET.search(name) else value)
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        ]
        parts = parts._replace(query=urlencode(query, safe="*/"))
    return parts._replace(fragment="").geturl()


def is_on_this_machine(url: str) -> bool:
    """Whether what is sent to an address stays on this machine, unless a proxy takes it."""
    return urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")


def is_private(url: str) -> bool:
    """Whether nobody on the way can read what is sent to an address: over TLS, or to this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_on_this_machine(url))


def origin(url: str) -> tuple[str, str]:
    """Scheme, and host with port: what a password belongs to."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2].lower()
