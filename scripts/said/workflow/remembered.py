"""Digests of code, remembered from one start of Snakemake to the next.

To follow what every script reaches takes seconds, and Snakemake is started often: for a dry run, for each job of a
cluster. While no file of the library changes, the digests are those of the last time.
"""

import contextlib
import functools
import hashlib
import re
import shutil
import sys
from pathlib import Path

from said.running.atomic import atomic
from said.workflow import digest

FOLDER = Path(".snakemake/code")
"""In the working directory: a folder for the library as it is, in it a file for each script."""


def code(path: Path, root: Path) -> str:
    """`said.workflow.digest.code` of a script; see there."""
    folder = FOLDER / _state(root)
    kept = folder / digest.dotted_name(path, root)
    with contextlib.suppress(OSError, ValueError):
        if re.fullmatch("[0-9a-f]{16}", known := kept.read_text(encoding="ascii")):
            return known
    found = digest.code(path, root)
    with contextlib.suppress(OSError):  # where nothing can be written, nothing is remembered
        if not folder.exists():
            shutil.rmtree(FOLDER, ignore_errors=True)
        with atomic(kept) as temporary:
            temporary.write_text(found, encoding="ascii")
    return found


@functools.cache
def _state(root: Path) -> str:
    """Of all code in a folder, and of the Python that writes it anew."""
    found = hashlib.sha256(sys.version.encode())
    for file in sorted(root.rglob("*.py")):
        found.update(f"\n{file.relative_to(root).as_posix()} {file.stat().st_size}\n".encode())
        found.update(file.read_bytes())
    return found.hexdigest()[:32]
