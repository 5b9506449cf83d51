"""The name and password of a registration: from the environment or a private file, and nowhere else."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from said.running.atomic import PathLike
from said.vocaset.addresses import is_private, shown

REMEDY = (
    "VOCASET is free for research after registration at https://voca.is.tue.mpg.de. Then set VOCA_USERNAME and "
    "VOCA_PASSWORD to have it downloaded, or vocaset.path in config.yaml to a copy of your own; or run with "
    "--config dataset=synthetic, which needs neither"
)
VARIABLES = ("VOCA_USERNAME", "VOCA_PASSWORD")


class CredentialsError(RuntimeError):
    """Credentials are missing or must not be used; the message says what to do and shows none of them."""


@dataclass(frozen=True, repr=False)
class Credentials:
    """A name and a password, which no message, log or representation shows."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials cannot be pickled: they must not be written anywhere")

    def form(self) -> dict[str, str]:
        """The form that is sent to the publisher's page."""
        return {"username": self.username, "password": self.password}


def read_credentials(file: PathLike | None, environment: Mapping[str, str] = os.environ) -> Credentials:
    """The credentials in the environment or, if there are none, in a file that only its owner can read.

    Args:
        file: two lines, name and password. None: only the environment.
        environment: variables, VOCA_USERNAME and VOCA_PASSWORD among them.

    Raises:
        CredentialsError: there are none, one of the two is missing, or the file is malformed or not private.
    """
    given = [environment.get(name, "") for name in VARIABLES]
    if all(given):
        return Credentials(*given)
    if any(given):
        raise CredentialsError(f"{VARIABLES[given.index('')]} is not set, but its counterpart is: set both or neither")
    path = None if file is None else Path(file)
    if path is None or not path.exists():
        place = "" if path is None else f" and {path}, two lines of mode 0600, does not exist"
        raise CredentialsError(f"{' and '.join(VARIABLES)} are not set{place}. {REMEDY}")
    return _read_file(path)


def require_private_channel(url: str) -> None:
    """Refuse to send credentials where others could read them on the way.

    Raises:
        CredentialsError: the address is neither https nor on this machine.
    """
    if not is_private(url):
        raise CredentialsError(f"{shown(url)}: a password is sent over https only; correct the address in config.yaml")


def _read_file(path: Path) -> Credentials:
    with path.open(encoding="utf-8") as file:
        status = os.fstat(file.fileno())
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise CredentialsError(f"{path}: others can read it, so it was not used; chmod 600 {path}")
        if status.st_uid != os.getuid():
            raise CredentialsError(f"{path}: belongs to somebody else, so it was not used")
        try:
            lines = file.read().removesuffix("\n").split("\n")
        except UnicodeDecodeError:
            lines = None
    if lines is None:
        raise CredentialsError(f"{path}: is not encoded as UTF-8, so it was not used; save it again")
    if len(lines) != 2 or not all(lines):
        raise CredentialsError(f"{path}: must hold two lines, name and password; it has {len(lines)}")
    return Credentials(*lines)
