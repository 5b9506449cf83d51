"""Which errors' messages may stand in a result.

The reason why a number is missing stands beside the table, and is the message of an error that was caught. Which errors
these are is read off the code: those whose `except` does anything with them but print them, or put their message into
another error, of which no result tells.
"""

import ast
import builtins
import functools
from collections.abc import Iterable, Iterator, Sequence

from said.workflow.wording import NAMING, last_name, prints

_CARRIERS = {"StopIteration", "StopAsyncIteration", "SystemExit"}
"""Exceptions whose argument is a value."""
_WITHOUT_A_NAME = {"exc_info", "format_exc", "format_exception", "exception"}
"""Ways to an error that has no name in an `except`."""
_PREDICATES = ("is_", "_is_")
"""Beginnings of functions that tell one kind of error from another."""
_ALL = "BaseException"


class ErrorsInResults:
    """Which errors' messages may stand in a result of a script.

    Args:
        nodes: code that the script reaches.
        modules: those that this is in.
        machinery: further modules, which put errors into others and into no result.
    """

    def __init__(self, nodes: Iterable[ast.stmt], modules: Iterable[ast.Module], machinery: Sequence[ast.Module]):
        self._bases: dict[str, set[str]] = {}
        for tree in (*modules, *machinery):
            for name, bases in _classes(tree).items():
                self._bases.setdefault(name, set()).update(bases)
        uses = [use for node in nodes for use in _uses(node)]
        uses += [(kind, into) for tree in machinery for kind, into in _uses(tree) if into is not None]
        self._told: set[str] = set()
        while more := {kind for kind, into in uses if into is None or self.tells(into)} - self._told:
            self._told |= more

    def among(self, names: Iterable[str]) -> frozenset[str]:
        """Those of the names that are errors' of which no result tells."""
        return frozenset(name for name in names if self.is_error(name) and not self.tells(name))

    def is_error(self, name: str) -> bool:
        """Whether a name is an exception's. One of another library is known by its ending."""
        return name not in _CARRIERS and (_ALL in self._ancestors(name) or name.endswith(("Error", "Warning")))

    def tells(self, name: str) -> bool:
        """Whether the message of an error of this class may stand in a result."""
        ancestors = self._ancestors(name)
        known = _ALL in ancestors
        return bool(self._told) if not known else bool(ancestors & self._told)

    def _ancestors(self, name: str) -> set[str]:
        """The class and those it derives from, as far as they are known."""
        found, queue = set(), [name]
        while queue:
            if (name := queue.pop()) not in found:
                found.add(name)
                queue.extend(self._bases.get(name, ()))
                kind = getattr(builtins, name, None)
                if isinstance(kind, type) and issubclass(kind, BaseException):
                    found.update(base.__name__ for base in kind.__mro__)
        return found


@functools.cache
def _classes(tree: ast.Module) -> dict[str, set[str]]:
    """Names of the classes that are defined in it, each with its bases'."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return {node.name: {_kind(base) for base in node.bases} for node in classes}


@functools.cache
def _uses(node: ast.AST) -> frozenset[tuple[str, str | None]]:
    """What is done with the errors that are caught in a piece of code: pairs of the class that is caught, and the class
    of the error that its message goes into; None: it may go anywhere."""
    found: set[tuple[str, str | None]] = set()
    handlers = []
    for part in ast.walk(node):
        if isinstance(part, ast.ExceptHandler) and part.name:
            handlers.append(part)
        elif isinstance(part, ast.Name | ast.Attribute) and _kind(part) in _WITHOUT_A_NAME:
            found.add((_ALL, None))
    for handler in handlers:
        caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        # Its variables are followed through all of the code, a function or class with all that is in it.
        for into in set(_goes(handler.name, handler.body, [node])):
            found.update((_kind(kind), into) for kind in caught)
    return frozenset(found)


def _goes(name: str, body: Sequence[ast.AST], function: Sequence[ast.AST]) -> Iterator[str | None]:
    """Where a caught error goes; variables that are given something of it are followed through the function."""
    followed, queue = set(), [(name, body)]
    while queue:
        name, body = queue.pop()
        for node in body:
            for into in _mentions(name, node, None):
                if into is None or into.isidentifier():
                    yield into
                elif into not in followed:  # "= variable"
                    followed.add(into)
                    queue.append((into[2:], function))


def _mentions(name: str, node: ast.AST, into: str | None) -> Iterator[str | None]:
    """Where a variable's value goes in a piece of code: the class of an error, "= variable", or None: anywhere."""
    if isinstance(node, ast.Name):
        if node.id == name and isinstance(node.ctx, ast.Load):
            yield into
        return
    if isinstance(node, ast.Raise):
        choices = [node.exc.body, node.exc.orelse] if isinstance(node.exc, ast.IfExp) else [node.exc]
        for raised in choices:
            if isinstance(raised, ast.Call):
                for part in (*raised.args, *raised.keywords):
                    yield from _mentions(name, part, _kind(raised.func))
            elif raised is not None and not isinstance(raised, ast.Name):  # which is the error itself, passed on
                yield from _mentions(name, raised, into)
        return
    if isinstance(node, ast.Call):
        called = _kind(node.func)
        if prints(node) or called in {"isinstance", "type"} or called.startswith(_PREDICATES):
            return
        if called in NAMING and NAMING[called][1]:
            into = NAMING[called][1]
    if isinstance(node, ast.Assign) and all(isinstance(target, ast.Name | ast.Tuple) for target in node.targets):
        if any(True for _ in _mentions(name, node.value, None)):
            names = {part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)}
            yield from (f"= {part}" for part in sorted(names - {name}))
        return
    for child in ast.iter_child_nodes(node):
        yield from _mentions(name, child, into)


def _kind(node: ast.AST | None) -> str:
    """The class of an expression; a bare `except` and what has no name may be anything."""
    return last_name(node) or _ALL
