"""Memory that is free, back to the operating system."""

import ctypes
from contextlib import suppress


def release() -> None:
    """Give back what was freed, where the C library can: glibc keeps it for the threads that had it.

    For between two stages of a job that lasts, of which the second needs little of what the first did.
    """
    with suppress(OSError, TypeError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
