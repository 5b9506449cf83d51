"""Sections of config.yaml as frozen dataclasses, each of which stands beside what it sets."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal, Self, cast, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Settings:
    """A section of config.yaml: its keys are the fields, the values that a key may have a Literal type.

    Defaults are the paper's values, those of the section itself; the schema checks ranges.

    Raises:
        ValueError: a value is none of those that its Literal type has.
    """

    def __post_init__(self):
        for name, allowed in _choices(type(self)).items():
            if (value := getattr(self, name)) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")

    @classmethod
    def of(cls, section: Mapping | Self) -> Self:
        """From a section of config.yaml, whose other keys are not for this; made settings stay as they are.

        Raises:
            ValueError: a value is none of those allowed.
        """
        if isinstance(section, cls):
            return section
        values = cast(Mapping, section)
        return cls(**{field.name: values[field.name] for field in fields(cls) if field.name in values})


@functools.cache
def _choices(cls: type) -> dict[str, tuple]:
    return {name: get_args(hint) for name, hint in get_type_hints(cls).items() if get_origin(hint) is Literal}
