"""The configuration as it is written: what Snakemake's own readers overlook or misread in files and in --config."""

import functools
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import yaml

from said.workflow.config import SECTIONS, ConfigError, merge
from said.workflow.values import join

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Of YAML: with libyaml config.yaml takes 5 ms, and every job of a cluster reads it again."""
_ABSENT = object()


def refuse_repeated_keys(files: Iterable[str | PathLike[str]], arguments: Iterable[str] | None) -> None:
    """Refuse equal keys, of which YAML and JSON silently keep the last: a row of Table 2 would be lost.

    Args:
        files: config.yaml and the files given with --configfile.
        arguments: what follows --config, as `key=value`.

    Raises:
        ConfigError: names each key that a mapping has twice, with both lines.
    """
    faults = [
        f"{file}: {place} is there twice, in line {first} and in line {second}; {_remedy(place)}"
        for file in files
        for place, first, second in _repeated(Path(file).read_text(encoding="utf-8"))
    ]
    plain: set[str] = set()
    for key, text in _split(arguments):
        try:
            faults += [f"--config: {place} is there twice; {_remedy(place)}" for place, *_ in _repeated(text, key)]
            if not isinstance(yaml.load(text, LOADER), Mapping):  # mappings are merged
                faults += [f"--config: {key} is there twice; {_remedy(key)}"] * (key in plain)
                plain.add(key)
        except yaml.YAMLError:
            pass  # Snakemake takes it for text, and the schema checks it
    if faults:
        raise ConfigError("\n".join(["the configuration cannot be used:", *(f"  {fault}" for fault in faults)]))


def read_arguments(arguments: Iterable[str] | None) -> dict[str, Any]:
    """The mappings and lists of --config, read as those of config.yaml are.

    Snakemake turns every number, truth value and null inside them into text.

    Args:
        arguments: what follows --config, as `key=value`.
    """
    read: dict[str, Any] = {}
    for key, text in _split(arguments):
        try:
            value = yaml.load(text, LOADER)
        except yaml.YAMLError:
            continue
        if isinstance(value, Mapping | list):
            read = merge(read, {key: value})
    return read


def read_files(files: Iterable[str | PathLike[str]], own: str = "config.yaml") -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration's files: all of them in one, the workflow's own first, and what the others ask for.

    Args:
        files: which Snakemake read.
        own: the workflow's own among them; the others were given with --configfile.

    Returns:
        their values merged, and those of the others alone. A file that has `scales` is a copy of config.yaml, of which
        nobody knows what is asked for and what is merely there; it is not among the latter.
    """
    names = sorted(map(str, files), key=lambda name: name != own)
    contents = {name: _load(Path(name).read_text(encoding="utf-8")) or {} for name in names}
    asked = [content for name, content in contents.items() if name != own and "scales" not in content]
    return functools.reduce(merge, contents.values(), {}), functools.reduce(merge, asked, {})


def _load(text: str) -> Any:
    """What a file that Snakemake read says."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return yaml.load(text, LOADER)
    except yaml.YAMLError:  # libyaml refuses a few texts that PyYAML itself reads
        return yaml.safe_load(text)


def in_order(config: Any, files: Any) -> Any:
    """A configuration with the keys of each mapping in the order of the files, and others after them.

    Snakemake puts what the command line says before the files: a variant that it adds would be the first, for which
    SAiD stands in Table 1.

    Args:
        config: as Snakemake has it.
        files: of `read_files`.
    """
    if not (isinstance(config, Mapping) and isinstance(files, Mapping)):
        return config
    keys = [*(key for key in files if key in config), *(key for key in config if key not in files)]
    return {key: in_order(config[key], files.get(key)) for key in keys}


def ineffective(
    config: Mapping[str, Any],
    defaults: Mapping[str, Any],
    arguments: Mapping[str, Any] | None = None,
    asked: Mapping[str, Any] | None = None,
) -> list[str]:
    """Edits of sections that change nothing, since the preset or the scale sets another value.

    Args:
        config: of config.yaml and the files given with --configfile; accepted by `said.workflow.config.resolve`.
        defaults: the sections as they are shipped, schemas/defaults.json.
        arguments: of `read_arguments`; they have the last word, so that what they set has an effect.
        asked: of `read_files`; an edit even where it is the default.

    Returns:
        a line for each, with the remedy.
    """
    chosen = {kind: config[f"{kind}s"][config[kind]] for kind in ("preset", "scale")}
    sections = {name: config[name] for name in SECTIONS}
    held = functools.reduce(merge, (*chosen.values(), arguments or {}), sections)
    lines: list[str] = []
    for keys, value in _leaves(sections):
        holds = _at(held, keys)
        if value != holds and (value != _at(defaults, keys) or _at(asked or {}, keys) is not _ABSENT):
            kind = "scale" if _at(chosen["scale"], keys) is not _ABSENT else "preset"
            where = functools.reduce(join, (f"{kind}s", config[kind], *keys))
            command = functools.reduce(lambda inner, key: {key: inner}, reversed(keys[1:]), value)
            lines.append(
                f"{functools.reduce(join, keys)} is {_text(value)}, but the {kind} {config[kind]} sets {_text(holds)}, "
                f'which holds; edit {where} or say --config "{keys[0]}={_text(command)}"'
            )
    return lines


def _leaves(value: object, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each value that is no mapping, with the keys that lead to it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*keys, key))
    else:
        yield keys, value


def _at(value: object, keys: Iterable[str]) -> object:
    """What keys lead to; what is no mapping stands for all that would be below it."""
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key, _ABSENT)
    return value


def _text(value: object) -> str:
    """A value as YAML in one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=math.inf).removesuffix("...\n").strip()


def _split(arguments: Iterable[str] | None) -> Iterator[tuple[str, str]]:
    for argument in arguments or ():
        key, _, text = argument.partition("=")
        yield key, text


def _remedy(place: str) -> str:
    return "write `<<: [*one, *other]`" if place.endswith("['<<']") else "remove one, or give it another name"


def _repeated(text: str, place: str = "") -> Iterator[tuple[str, int, int]]:
    """The place of each key that a mapping in a YAML or JSON text has twice, with both lines."""
    try:
        json.loads(text)
    except ValueError:
        pass
    else:  # JSON allows a tab as white space anywhere, YAML not as indentation
        text = text.replace("\t", " ")
    seen: set[int] = set()

    def walk(node: yaml.Node, place: str) -> Iterator[tuple[str, int, int]]:
        if id(node) in seen:  # the target of an alias is checked where it is written
            return
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            lines: dict[tuple[str, str], int] = {}
            for key, value in node.value:
                name, line = str(key.value), key.start_mark.line + 1
                if (key.tag, name) in lines:
                    yield join(place, name), lines[key.tag, name], line
                lines[key.tag, name] = line
                yield from walk(value, join(place, name))
        elif isinstance(node, yaml.SequenceNode):
            for index, inner in enumerate(node.value):
                yield from walk(inner, f"{place}.{index}")

    try:
        root = yaml.compose(text, LOADER)
    except yaml.YAMLError:  # libyaml refuses a few texts that PyYAML itself reads
        root = yaml.compose(text, yaml.SafeLoader)
    if root is not None:
        yield from walk(root, place)
