"""Values of the configuration: what no value may be, and the type that each number has."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

LARGEST = 2**63
"""Whole numbers must be below this, to fit in 64 bits."""
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def join(place: str, key: object) -> str:
    """The name that messages use for a key in the mapping at a place."""
    if not re.fullmatch(r"\w+", str(key)):
        return f"{place}[{key!r}]"
    return f"{place}.{key}" if place else str(key)


def find_unusable(value: object, place: str = "") -> Iterator[str]:
    """A line for each key and value that no setting may have.

    Keys must be text, not what YAML reads as a number, a date or a truth value. Text must be one line without control
    characters. Numbers must be finite, and whole ones fit in 64 bits.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                yield f"{place or 'top level'}: the key {key!r} is not text to YAML; write it in quotes"
            elif _UNPRINTABLE.search(key):
                yield f"{join(place, key)}: the key has a line break or a control character; remove it"
            else:
                yield from find_unusable(inner, join(place, key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from find_unusable(inner, f"{place}.{index}")
    elif isinstance(value, str) and _UNPRINTABLE.search(value):
        yield f"{place}: {value!r} has a line break or a control character; remove it"
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{place}: {value} is not a finite number; write a finite one"
    elif isinstance(value, int) and abs(value) >= LARGEST:
        yield f"{place}: a whole number that does not fit in 64 bits; write a smaller one"


def find_braces(value: object, place: str = "") -> Iterator[str]:
    """A line for each text with braces, which Snakemake takes for wildcards in any path."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from find_braces(inner, join(place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from find_braces(inner, f"{place}.{index}")
    elif isinstance(value, str) and re.search("[{}]", value) and place != "vocaset.url":
        yield f"{place}: {value!r} has braces, which Snakemake takes for wildcards; rename it, or give a link to it"


def as_described(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """A copy whose keys are in the schema's order, and whose numbers have its types: a count of 3.0 is 3.

    Thus neither a result nor a digest of settings depends on how a number is written, or which of two lines is above
    the other. Keys that the schema does not name, as those of variants, stay in their order, after the others.

    Args:
        value: anything that the schema accepts.
        schema: the part of the schema that describes it.
        root: the whole schema.
    """
    schema = follow(schema, root)
    if isinstance(value, Mapping):
        others, named = schema.get("additionalProperties"), schema.get("properties", {})
        others = others if isinstance(others, Mapping) else {}
        keys = [*(key for key in named if key in value), *(key for key in value if key not in named)]
        return {key: as_described(value[key], named.get(key, others), root) for key in keys}
    if isinstance(value, list):
        return [as_described(inner, schema.get("items", {}), root) for inner in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        types = set(_types(schema, root))
        if "integer" in types:
            return int(value)
        if "number" in types:
            return float(value)
    return value


def follow(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """A schema merged with the target of its `$ref`: its own keywords win, and the properties of both are joined."""
    if "$ref" not in schema:
        return dict(schema)
    target = root
    for part in schema["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    target = follow(target, root)
    own = {key: value for key, value in schema.items() if key != "$ref"}
    joined = target | own
    if "properties" in target and "properties" in own:
        joined["properties"] = own["properties"] | target["properties"]
    return joined


def _types(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[str]:
    kind = schema.get("type", [])
    yield from [kind] if isinstance(kind, str) else kind
    for choice in schema.get("oneOf", ()):
        yield from _types(follow(choice, root), root)
