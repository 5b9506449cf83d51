"""The configuration as it is written: what Snakemake's own readers overlook or misread in files and in --config."""

import json
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import yaml

from said.workflow.config import ConfigError, merge
from said.workflow.values import join

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Of YAML: with libyaml config.yaml takes 5 ms, and every job of a cluster reads it again."""


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
