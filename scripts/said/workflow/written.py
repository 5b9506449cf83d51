"""The configuration as it is written: what Snakemake's own readers pass over or misread in files and in --config."""

import json
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import yaml

from said.workflow.config import ConfigError, merge
from said.workflow.values import join

# libyaml, where PyYAML was built with it, takes 5 ms for config.yaml; each job reads it again.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def refuse_repeated_keys(files: Iterable[str | PathLike[str]], arguments: Iterable[str] | None) -> None:
    """YAML and JSON have the last of two equal keys win, without a word: a row of Table 2 would be gone.

    Args:
        files: config.yaml and those of --configfile.
        arguments: what follows --config, as `key=value`.

    Raises:
        ConfigError: naming each key that a mapping has twice, with both lines.
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
            if not isinstance(yaml.load(text, _LOADER), Mapping):  # mappings are laid over each other
                faults += [f"--config: {key} is there twice; {_remedy(key)}"] * (key in plain)
                plain.add(key)
        except yaml.YAMLError:
            pass  # text to Snakemake, and looked at by the schema
    if faults:
        raise ConfigError("\n".join(["the configuration cannot be used:", *(f"  {fault}" for fault in faults)]))


def with_arguments(config: Mapping[str, Any], arguments: Iterable[str] | None) -> dict[str, Any]:
    """The configuration with the mappings and lists of --config read as config.yaml's are.

    Snakemake gives each number, truth value and null inside them as text.

    Args:
        config: as Snakemake has it, the arguments laid over the files.
        arguments: what follows --config, as `key=value`.
    """
    config = dict(config)
    for key, text in _split(arguments):
        try:
            value = yaml.load(text, _LOADER)
        except yaml.YAMLError:
            continue
        if isinstance(value, Mapping | list):
            config = merge(config, {key: value})
    return config


def _split(arguments: Iterable[str] | None) -> Iterator[tuple[str, str]]:
    for argument in arguments or ():
        key, _, text = argument.partition("=")
        yield key, text


def _remedy(place: str) -> str:
    return "write `<<: [*one, *other]`" if place.endswith("['<<']") else "remove one, or give it another name"


def _repeated(text: str, place: str = "") -> Iterator[tuple[str, int, int]]:
    """Place of each key that a mapping of a YAML or JSON text has twice, with the lines of both."""
    try:
        json.loads(text)
    except ValueError:
        pass
    else:  # a tab is white space to JSON wherever it stands, and no indentation to YAML
        text = text.replace("\t", " ")
    seen: set[int] = set()

    def walk(node: yaml.Node, place: str) -> Iterator[tuple[str, int, int]]:
        if id(node) in seen:  # what an alias stands for is looked at where it is written
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
        root = yaml.compose(text, _LOADER)
    except yaml.YAMLError:  # libyaml refuses a little of what Snakemake reads without it
        root = yaml.compose(text, yaml.SafeLoader)
    if root is not None:
        yield from walk(root, place)
