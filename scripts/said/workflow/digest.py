"""Which library code a script runs, as a digest.

Snakemake reruns a job when its script changes, but does not see the modules that the script imports. Each rule
therefore carries this digest as a parameter. It is of the script and of those definitions of the library (functions,
classes, constants) that the script reaches by name, directly or through others, in whatever function a name is
imported. Left out is what cannot change a byte of a result:

* comments, layout, docstrings, and annotations of functions;
* the words of messages, and functions that do nothing but word them, see `said.workflow.wording`;
* `said.running`, the ground floor, which promises as much.

So a better explanation does not train a model anew, and a new file format reruns what reads it.

Always counted are a reached module's statements that are no definitions, since an import executes them, and variables
that nothing reads, since they must be there for something else. Where a module is used as a value, or a name in it
cannot be found, all of it counts.
"""

import ast
import functools
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from said.workflow.telling import ErrorsInResults
from said.workflow.wording import bare, called, is_wording, messages, without_words

_GROUND_FLOOR = "said.running"
EVERYTHING, STATEMENTS = "*", ""
"""In place of a definition's name: all of a module; what its import executes."""
Reference = tuple[str, str]
"""A module of the library and a definition in it."""


@functools.cache
def code(path: Path, root: Path) -> str:
    """Digest of a Python file and of all that it reaches in the modules of `root`.

    Args:
        path: the script.
        root: folder that holds the package, `scripts/` here.

    Returns:
        16 hexadecimal digits.
    """
    told = _told(path, root)
    reached = sorted(_closure(path, root, told))
    unsaid, worded = _unsaid(reached, root, told)
    digest = hashlib.sha256()
    for reference in reached:
        definition = _definition(*reference, root)
        silent = told.among(definition.called)
        text = _text(definition, silent, unsaid & definition.methods, reference in worded)
        digest.update(f"{':'.join(reference)}\n{text}\n".encode())
    return digest.hexdigest()[:16]


def closure(path: Path, root: Path) -> set[Reference]:
    """What a script reaches: modules, by their dotted names below `root`, and the definitions in them."""
    return _closure(path, root, _told(path, root))


def modules(path: Path, root: Path) -> set[str]:
    """Modules of the library from which a script takes something."""
    return {module for module, name in closure(path, root) if name != STATEMENTS}


def _closure(path: Path, root: Path, told: ErrorsInResults | None = None) -> set[Reference]:
    """What a script reaches; where it is known which errors results tell of, but for what words messages alone."""
    found: set[Reference] = set()
    queue: list[Reference] = [(dotted_name(path, root), EVERYTHING)]
    while queue:
        reference = module, name = queue.pop()
        if reference in found or _on_ground_floor(module):
            continue
        found.add(reference)
        queue.append((module, STATEMENTS))
        definition = _definition(module, name, root)
        queue.extend(definition.references(None if told is None else told.among(definition.called)))
    return found


@functools.cache
def _told(path: Path, root: Path) -> ErrorsInResults:
    reached = _closure(path, root)
    return ErrorsInResults(
        [node for module, name in reached for node in _module(module, root).nodes(name)],
        [_module(module, root).tree for module in {module for module, _ in reached}],
        _ground_floor(root),
    )


def _unsaid(
    reached: Iterable[Reference], root: Path, told: ErrorsInResults
) -> tuple[frozenset[str], frozenset[Reference]]:
    """Names of the methods that do nothing but word messages, and the functions that are asked for messages alone."""
    definitions = [_definition(module, name, root) for module, name in reached]
    uses = [definition.uses(told.among(definition.called)) for definition in definitions]
    methods = frozenset[str]().union(*(definition.methods for definition in definitions))
    worded, unsaid = set[Reference](), set[str]()
    for _, _, asked, shown in uses:
        worded |= asked
        unsaid |= shown
    for references, attributes, _, _ in uses:
        worded -= references
        unsaid -= attributes
    return methods & unsaid, frozenset(worded)


@dataclass(eq=False)
class _Module:
    """A parsed file: what is defined in it, what its import executes, and what its names mean elsewhere."""

    name: str
    file: Path
    root: Path
    tree: ast.Module
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    statements: list[ast.stmt] = field(default_factory=list)
    imports: list[ast.stmt] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    """Variables of which the library does not say another word."""
    bindings: dict[str, set[str]] = field(default_factory=dict)
    """Dotted names that an imported name may stand for."""

    def __post_init__(self):
        for statement in self.tree.body:
            self._take(statement)
        for node in ast.walk(self.tree):
            for name, target in self.imported(node):
                self.bindings.setdefault(name, set()).add(target)

    def nodes(self, name: str) -> list[ast.stmt]:
        """The code of a definition."""
        if name == STATEMENTS:
            return self.statements
        if name == EVERYTHING:
            return [node for node in self.tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
        return [node for node in self.definitions.get(name, ()) if node not in self.statements]

    def _take(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            self.imports.append(statement)
            return
        if not _only_defines(statement):
            self.statements.append(statement)
        for name in _bound(statement):
            self.definitions.setdefault(name, []).append(statement)
            if isinstance(statement, ast.Assign | ast.AnnAssign) and _words(self.root)[name] == 1:
                self.unread.append(name)

    def imported(self, node: ast.AST) -> Iterator[tuple[str, str]]:
        """Names that an import binds, and the dotted name of what they stand for."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                package = alias.name.split(".")[0]
                yield alias.asname or package, alias.name if alias.asname else package
                if not alias.asname:
                    yield alias.name, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:  # relative: resolve against the file's package
                package = self.file.relative_to(self.root).parts[: -node.level]
                base = ".".join((*package, base)).rstrip(".")
            for alias in node.names:
                yield alias.asname or alias.name, f"{base}.{alias.name}"

    def find(self, dotted: str) -> Iterator[Reference]:
        """What a name or a chain of attributes in this module refers to."""
        name, _, rest = dotted.partition(".")
        if name in self.definitions:
            yield self.name, name
        for target in self.bindings.get(name, ()):
            yield from _resolve(f"{target}.{rest}".rstrip("."), self.root)

    def executed(self, dotted: str) -> Iterator[str]:
        """Modules of the library that importing a dotted name executes."""
        parts = dotted.split(".")
        for length in range(1, len(parts) + 1):
            if _file(".".join(parts[:length]), self.root):
                yield ".".join(parts[:length])

    def neighbour(self, name: str) -> Iterator[Reference]:
        file = self.file.parent / name
        if file.is_file() and file != self.file:
            yield dotted_name(file, self.root), EVERYTHING


@functools.cache
def _definition(module: str, name: str, root: Path) -> "_Definition":
    return _Definition(module, name, root)


@dataclass(eq=False)
class _Definition:
    """A definition of a module, and what is in it."""

    module: str
    name: str
    root: Path

    @functools.cached_property
    def nodes(self) -> list[ast.stmt]:
        return _module(self.module, self.root).nodes(self.name)

    @functools.cached_property
    def called(self) -> frozenset[str]:
        return frozenset[str]().union(*map(called, self.nodes))

    @functools.cached_property
    def methods(self) -> frozenset[str]:
        """Names of the methods in it that return texts."""
        parts = [part for node in self.nodes if isinstance(node, ast.ClassDef) for part in node.body]
        return frozenset(part.name for part in parts if isinstance(part, ast.FunctionDef) and is_wording(part))

    @functools.cached_property
    def executed(self) -> set[Reference]:
        """What runs with it, whatever its names are for."""
        module = _module(self.module, self.root)
        found: set[Reference] = set()
        if self.name != STATEMENTS or module.file.name == "__init__.py":  # something is taken from the module
            found.update((self.module, name) for name in module.unread)
        for node in (*self.nodes, *(module.imports if self.name == STATEMENTS else ())):
            for part in ast.walk(node):
                for _, target in module.imported(part):
                    found.update((name, STATEMENTS) for name in module.executed(target))
                if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.endswith(".py"):
                    found.update(module.neighbour(part.value))  # a program of its own
        return found

    @functools.cache  # noqa: B019
    def references(self, silent: frozenset[str] | None) -> set[Reference]:
        """What it reaches in one step; None: whatever it may be for."""
        module, found = _module(self.module, self.root), set(self.executed)
        for node in self.nodes:
            outside, inside = _names(node, frozenset() if silent is None else messages(node, silent).parts)
            for dotted in outside:
                found.update(module.find(dotted))
            for reference in (reference for dotted in inside for reference in module.find(dotted)):
                if not all(map(is_wording, _definition(*reference, self.root).nodes)):
                    found.add(reference)
        return found

    @functools.cache  # noqa: B019
    def uses(self, silent: frozenset[str]) -> tuple[set[Reference], set[str], set[Reference], set[str]]:
        """Definitions and attributes that it uses for more than messages, and those that it uses for messages."""
        references: tuple[set[Reference], set[Reference]] = set(), set()
        attributes: tuple[set[str], set[str]] = set(), set()
        for node in self.nodes:
            said = messages(node, silent)
            for side, names in enumerate(_names(node, said.parts | said.callees)):
                for dotted in names:
                    references[side].update(_module(self.module, self.root).find(dotted))
                    attributes[side].update(dotted.split(".")[1:])
        return references[0], attributes[0], references[1], attributes[1]

    @functools.cached_property
    def meanings(self) -> set[str]:
        """What the imported names in it stand for."""
        bindings = _module(self.module, self.root).bindings
        names = set().union(*(_names(node, frozenset())[0] for node in self.nodes))
        return {f"{dotted} of {target}" for dotted in names for target in bindings.get(dotted.split(".")[0], ())}


def _names(node: ast.AST, apart: frozenset[ast.AST]) -> tuple[set[str], set[str]]:
    """Names and chains of attributes in it, such as `f` and `corpus.read_speech`: outside of some parts, and inside."""
    found: tuple[set[str], set[str]] = set(), set()
    queue = [(node, 0)]
    while queue:
        part, side = queue.pop()
        side = 1 if part in apart else side
        attributes = []
        while isinstance(part, ast.Attribute):
            attributes.append(part.attr)
            part = part.value
        if isinstance(part, ast.Name):
            found[side].add(".".join((part.id, *reversed(attributes))))
        else:
            found[side].add(".".join(("", *reversed(attributes))))
            queue.extend((child, side) for child in ast.iter_child_nodes(part))
    return found


def dotted_name(file: Path, root: Path) -> str:
    """Dotted name of a file below `root`."""
    return file.relative_to(root).with_suffix("").as_posix().replace("/", ".")


def _resolve(dotted: str, root: Path) -> Iterator[Reference]:
    """The definition that a dotted name stands for; nothing where it is of another library."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        if _file(module, root) is None:
            continue
        if _on_ground_floor(module):
            return
        if length == len(parts):
            yield module, EVERYTHING
            return
        name, known = parts[length], _module(module, root)
        if name in known.definitions:
            yield module, name
        elif name in known.bindings:
            for target in known.bindings[name]:
                yield from _resolve(target, root)
        else:
            yield module, EVERYTHING
        return


def _only_defines(statement: ast.stmt) -> bool:
    """Whether all that it does is to give names of the module a meaning."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return True
    if isinstance(statement, ast.Assign):
        return all(isinstance(part, ast.Name | ast.Tuple) for target in statement.targets for part in _elements(target))
    return isinstance(statement, ast.AnnAssign | ast.AugAssign) and isinstance(statement.target, ast.Name)


def _elements(target: ast.expr) -> Iterator[ast.expr]:
    if isinstance(target, ast.Tuple):
        for element in target.elts:
            yield from _elements(element)
    else:
        yield target


def _bound(statement: ast.stmt) -> set[str]:
    """Names of the module that a statement gives a meaning."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    names = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


@functools.cache
def _module(name: str, root: Path) -> _Module:
    if (file := _file(name, root)) is None:
        raise FileNotFoundError(f"{root}: has no module {name}")
    return _Module(name, file, root, _parsed(file))


@functools.cache
def _file(module: str, root: Path) -> Path | None:
    stem = root.joinpath(*module.split("."))
    return next((file for file in (stem.with_suffix(".py"), stem / "__init__.py") if file.is_file()), None)


@functools.cache
def _words(root: Path) -> Counter[str]:
    """How often a word stands in the library."""
    found: Counter[str] = Counter()
    for file in root.rglob("*.py"):
        found.update(re.findall(r"\w+", file.read_text(encoding="utf-8")))
    return found


def _on_ground_floor(module: str) -> bool:
    return f"{module}.".startswith(f"{_GROUND_FLOOR}.")


@functools.cache
def _ground_floor(root: Path) -> tuple[ast.Module, ...]:
    files = sorted(root.joinpath(*_GROUND_FLOOR.split(".")).glob("*.py"))
    return tuple(_parsed(file) for file in files)


def _parsed(file: Path) -> ast.Module:
    return bare(ast.parse(file.read_text(encoding="utf-8"), filename=str(file)))


@functools.cache
def _text(definition: _Definition, silent: frozenset[str], unsaid: frozenset[str], worded: bool) -> str:
    """A definition without words that reach no result, and what the imported names in it stand for."""
    code = [ast.unparse(without_words(node, silent, unsaid, worded)) for node in definition.nodes]
    return "\n".join((*code, *sorted(definition.meanings)))


def forget() -> None:
    """Read every file anew from here on."""
    for cached in (code, _told, _module, _file, _words, _ground_floor, _text, _definition):
        cached.cache_clear()
