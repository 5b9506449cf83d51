"""The path of the project's folder: which characters it may have, and how Snakemake must quote it for a shell.

`python -m said.workflow.paths` refuses an unusable current folder; it needs nothing installed.
"""

import functools
import os
import shlex
import sys
from collections.abc import Callable
from typing import Any

_REFUSED = '"$`\\:%{}'
"""Characters with a meaning of their own in Snakemake's formats, sbatch's file names, shell quotes or Python's venv."""


class PathError(ValueError):
    """A path cannot be used; the message says what to do."""


def require_usable(*paths: str | os.PathLike[str]) -> None:
    """Refuse a path with characters that have a meaning of their own in one of the programs involved.

    Raises:
        PathError: names the path and the character.
    """
    for given in paths:
        path = os.fspath(given)
        for character in path:
            if character in _REFUSED or not character.isprintable():
                raise PathError(
                    f"{path!r}: the path contains {character!r}, which means something else to Snakemake, a shell or "
                    "Python. Move or rename the folder; spaces, apostrophes and letters of any language are fine"
                )


def prefer_library(folder: str | os.PathLike[str]) -> None:
    """Let jobs import from `folder` first, also where another checkout's library, or an older one, is installed."""
    others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != str(folder)]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), *others])


def mend_snakemake() -> None:
    """Make Snakemake quote the path of Python, which it passes to a shell as it is."""
    if shlex.quote(sys.executable) == sys.executable:
        return
    from snakemake.executors import local
    from snakemake.script import PythonScript
    from snakemake_executor_plugin_slurm_jobstep import Executor as JobStep
    from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

    execute = PythonScript._execute_cmd
    if hasattr(execute, "__wrapped__"):
        return

    @functools.wraps(execute)
    def quoting(self: PythonScript, cmd: str, **kwargs: Any) -> Any:
        return execute(self, cmd, **{k: shlex.quote(v) if k == "py_exec" else v for k, v in kwargs.items()})

    PythonScript._execute_cmd = quoting
    for executor in (local.Executor, JobStep, RemoteExecutor):
        executor.get_python_executable = _quoted(executor.get_python_executable)


def _quoted(path: Callable[..., str]) -> Callable[..., str]:
    @functools.wraps(path)
    def quoted(executor: object) -> str:
        return shlex.quote(path(executor))

    return quoted


if __name__ == "__main__":
    try:
        require_usable(os.getcwd())
    except PathError as refused:
        sys.exit(str(refused))
