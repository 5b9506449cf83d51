"""The words of messages in code: what may change without a result that changes.

Words are the fixed parts of strings. They count for nothing in what is given to an error or printed; nor do those of a
variable or a function that is used for nothing else, or else only asked whether there is a text, as that of a fault.
Errors of which results tell are the exception, see `said.workflow.telling`.
"""

import ast
import functools
import pickle
from collections.abc import Iterator
from typing import NamedTuple

PRINTING = {"print", "report", "add_note", "warn", "exit"}
"""Functions and methods that print what they are given: `report` is this library's name for what takes a line, and
`sys.exit` prints the text that it is given."""
_LOGGERS = {"logger", "logging", "warnings"}
NAMING = {"progress": (1, None), "naming": (0, "RuntimeError")}
"""Further functions that take words: from which argument on, and the error that has them in its message."""

_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


def bare(tree: ast.Module) -> ast.Module:
    """The tree without docstrings, annotations of functions, and what type checkers alone read."""
    return _Bare().visit(tree)


@functools.cache
def called(node: ast.stmt) -> frozenset[str]:
    """Names of the functions and classes that are called in it, and of the error of an assertion."""
    names = {last_name(part.func) for part in ast.walk(node) if isinstance(part, ast.Call)}
    return frozenset(names | {"AssertionError", *(error for _, error in NAMING.values() if error)})


class Messages(NamedTuple):
    """Where in a piece of code there are messages."""

    parts: frozenset[ast.AST]
    """Expressions that are nothing else."""
    texts: frozenset[ast.AST]
    """Strings of which it may count whether they are there, and not what they say."""
    callees: frozenset[ast.AST]
    """Functions that are asked for such strings."""


def without_words(node: ast.stmt, silent: frozenset[str], unsaid: frozenset[str], worded: bool) -> ast.stmt:
    """A copy without words that reach no result.

    Args:
        silent: errors of which no result tells.
        unsaid: methods that word messages alone; they are left out.
        worded: whether it is a function that is asked for messages alone.
    """
    found = messages(node, silent, worded)
    # Several times as fast as deepcopy.
    copy, parts, texts = pickle.loads(pickle.dumps((node, list(found.parts), list(found.texts))))
    _Wordless({*parts, *texts}, unsaid).visit(copy)
    return copy


@functools.cache
def messages(node: ast.AST, silent: frozenset[str], worded: bool = False) -> Messages:
    """Where the messages are; the arguments are those of `without_words`."""
    parts, strings = set(_given(node, silent)), set[ast.AST]()
    if worded:
        returned = [part.value for part in ast.walk(node) if isinstance(part, ast.Return) and part.value]
        strings.update(piece for value in returned for piece in _strings(value))
    for function in ast.walk(node) if parts or strings else ():
        if isinstance(function, _FUNCTIONS):
            inner, known = list(ast.walk(function)), -1
            while known < len(parts) + len(strings):
                known = len(parts) + len(strings)
                _follow(inner, parts, strings)
    callees = {piece for piece in strings if isinstance(piece, ast.Name | ast.Attribute)}
    return Messages(frozenset(parts), frozenset(strings - callees), frozenset(callees))


def is_wording(definition: ast.AST) -> bool:
    """Whether it is a text, or a function of which every result is one."""
    if isinstance(definition, ast.Assign):
        return _is_text(definition.value)
    if not isinstance(definition, _FUNCTIONS):
        return False
    parts = list(ast.walk(definition))
    returned = [part.value for part in parts if isinstance(part, ast.Return)]
    generates = any(isinstance(part, ast.Yield | ast.YieldFrom | ast.Await) for part in parts)
    return bool(returned) and not generates and all(map(_is_text, returned))


def last_name(node: ast.AST | None) -> str:
    """`BadZipFile` of `zipfile.BadZipFile`; nothing of what has no name."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def prints(call: ast.Call) -> bool:
    """Whether a call prints what it is given, to the terminal or a log."""
    if isinstance(call.func, ast.Attribute) and last_name(call.func.value) in _LOGGERS:
        return True
    files = [keyword.value for keyword in call.keywords if keyword.arg == "file"]
    to_terminal = all(ast.unparse(file) in ("sys.stdout", "sys.stderr") for file in files)
    return last_name(call.func) in PRINTING and to_terminal


def _given(node: ast.AST, silent: frozenset[str]) -> Iterator[ast.AST]:
    """What is given to what prints it or to an error."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            name = last_name(part.func)
            first, error = NAMING.get(name, (0, name))
            if error is None or error in silent or (name not in NAMING and prints(part)):
                yield from part.args[first:]
                yield from (keyword.value for keyword in part.keywords)
        elif isinstance(part, ast.Assert) and part.msg is not None and "AssertionError" in silent:
            yield part.msg


def _follow(function: list[ast.AST], parts: set[ast.AST], strings: set[ast.AST]) -> None:
    """Add what a function, of which all nodes are given, assigns to variables that it uses in messages alone."""
    inside = {inner for part in parts for inner in ast.walk(part)} | strings
    asked = {name for part in function for name in _asked(part)}
    elsewhere, conditions, assigned = set(), set(), []
    for part in function:
        if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Store):
            if part not in inside:
                (conditions if part in asked else elsewhere).add(part.id)
        elif isinstance(part, ast.Global | ast.Nonlocal):
            elsewhere.update(part.names)
        elif isinstance(part, ast.Assign):
            assigned.append((part.value, {last_name(target) for target in part.targets}, part.targets))
        elif isinstance(part, ast.AugAssign | ast.NamedExpr):
            assigned.append((part.value, {last_name(part.target)}, [part.target]))
    shown = {part.id for part in inside if isinstance(part, ast.Name)}
    for value, names, targets in assigned:
        if names & elsewhere or not names <= shown or not all(isinstance(target, ast.Name) for target in targets):
            continue
        if names & conditions:
            strings.update(_strings(value))
        else:
            parts.add(value)


def _asked(node: ast.AST) -> Iterator[ast.Name]:
    """Variables of which a condition asks whether there is something in them."""
    queue = [node.test] if isinstance(node, ast.If | ast.IfExp | ast.While) else []
    while queue:
        test = queue.pop()
        if isinstance(test, ast.Name):
            yield test
        elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            queue.append(test.operand)
        elif isinstance(test, ast.BoolOp):
            queue.extend(test.values)
        elif isinstance(test, ast.Compare) and ast.unparse(test.comparators[0]) == "None":
            queue.append(test.left)


def _strings(value: ast.AST) -> Iterator[ast.AST]:
    """The strings that a value consists of, the variables that hold them and the functions that are asked for them."""
    queue = [value]
    while queue:
        part = queue.pop()
        if isinstance(part, ast.JoinedStr | ast.Name) or (
            isinstance(part, ast.Constant) and isinstance(part.value, str)
        ):
            yield part
        elif isinstance(part, ast.IfExp):
            queue.extend((part.body, part.orelse))
        elif isinstance(part, ast.BinOp):
            queue.extend((part.left, part.right))
        elif isinstance(part, ast.List | ast.Tuple):
            queue.extend(part.elts)
        elif isinstance(part, ast.Starred):
            queue.append(part.value)
        elif isinstance(part, ast.ListComp | ast.GeneratorExp):
            queue.append(part.elt)
        elif isinstance(part, ast.Call):
            if isinstance(part.func, ast.Attribute) and _is_text(part.func.value):  # ", ".join(...)
                queue.extend((part.func.value, *part.args))
            elif isinstance(part.func, ast.Name | ast.Attribute):
                yield part.func


def _is_text(value: ast.AST | None) -> bool:
    if isinstance(value, ast.Constant):
        return isinstance(value.value, str)
    if isinstance(value, ast.IfExp):
        return _is_text(value.body) and _is_text(value.orelse)
    if isinstance(value, ast.Call):  # ", ".join(...)
        return isinstance(value.func, ast.Attribute) and _is_text(value.func.value)
    return isinstance(value, ast.JoinedStr) or (isinstance(value, ast.BinOp) and _is_text(value.left))


class _Bare(ast.NodeTransformer):
    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for block in ("body", "orelse", "finalbody"):
            statements = getattr(node, block, None)
            if isinstance(statements, list):
                kept = [one for one in statements if not _says_nothing(one)]
                setattr(node, block, kept or ([ast.Pass()] if statements and block == "body" else []))
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
        return self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef


def _says_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.If) and last_name(statement.test) == "TYPE_CHECKING" and not statement.orelse


class _Wordless(ast.NodeTransformer):
    def __init__(self, parts: set[ast.AST], unsaid: frozenset[str]):
        self._parts, self._unsaid = parts, unsaid

    def visit(self, node: ast.AST) -> ast.AST:
        if node in self._parts:
            return _NoWords().visit(node)
        if isinstance(node, ast.ClassDef):
            kept = [one for one in node.body if not (isinstance(one, _FUNCTIONS) and one.name in self._unsaid)]
            node.body = kept or [ast.Pass()]
        return super().visit(node)


class _NoWords(ast.NodeTransformer):
    """Leaves of a string whether it is empty."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("..." if node.value else "") if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        values = [self.visit(part.value) for part in node.values if isinstance(part, ast.FormattedValue)]
        return ast.Tuple(values, ast.Load()) if values else ast.Constant("...")
