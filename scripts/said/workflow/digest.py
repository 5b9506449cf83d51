"""Which library code a script runs, as a digest.

Snakemake reruns a job when its script changes, but does not see the modules that the script imports. Each
rule therefore carries this digest as a parameter. It follows imports of `said` only, stops at the door of
`said.running`, which never changes a byte of a result, and leaves out comments, layout and docstrings, so that
explaining the code better does not retrain a model.
"""

import ast
import functools
import hashlib
from pathlib import Path

_GROUND_FLOOR = ("said", "running")


@functools.cache
def code(path: Path, root: Path) -> str:
    """Digest of a Python file and of every module of `root` that it imports, directly or not.

    Args:
        path: the script.
        root: folder that holds the package, `scripts/` here.

    Returns:
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for file in sorted(_closure(path, root)):
        digest.update(str(file.relative_to(root)).encode())
        digest.update(_read(file, root)[1].encode())
    return digest.hexdigest()[:16]


def _closure(path: Path, root: Path) -> set[Path]:
    files, queue = set(), [path]
    while queue:
        file = queue.pop()
        if file not in files:
            files.add(file)
            queue.extend(_read(file, root)[0])
    return files


@functools.cache
def _read(file: Path, root: Path) -> tuple[set[Path], str]:
    """What a file imports from under `root`, and its code without comments, layout and docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:  # relative: resolve against the file's package
                package = file.relative_to(root).parts[: -node.level]
                base = ".".join((*package, base)).rstrip(".")
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [
                statement
                for statement in node.body
                if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
            ] or [ast.Pass()]
    return _files(names, root), ast.unparse(tree)


def _files(names: set[str], root: Path) -> set[Path]:
    """Files under `root` of modules with these names, their packages' __init__ included."""
    found = set()
    for name in names:
        parts = name.split(".")
        if tuple(parts[:2]) == _GROUND_FLOOR:
            continue
        for length in range(1, len(parts) + 1):
            stem = root.joinpath(*parts[:length])
            found.update(
                candidate for candidate in (stem.with_suffix(".py"), stem / "__init__.py") if candidate.is_file()
            )
    return found
