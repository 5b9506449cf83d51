"""The configuration: validation with errors that help, and what preset, scale and variant make of it."""

import os
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy

import jsonschema

from said.running.console import nearest

SECTIONS = (
    "synthetic", "vocaset", "downloads", "blendshapes", "coefficients", "speech_encoder",
    "extractor", "said", "sampling", "evaluation", "lipsync", "figures", "compute",
)  # fmt: skip
ROLES = ("train", "validation", "test")


class ConfigError(ValueError):
    """The configuration cannot be used; the message names each key, its place and the remedy."""


def merge(base: Mapping, override: Mapping) -> dict:
    """`base` with `override` laid over it, key by key into nested mappings; lists and values are replaced."""
    merged = deepcopy(dict(base))
    for key, value in override.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = deepcopy(value)
    return merged


def resolve(config: Mapping, schema: Mapping) -> dict:
    """The configuration of one run: sections, then preset, then scale laid over them, all checked.

    `~` at the beginning of a value, which is a path then, is the home folder.

    Args:
        config: config.yaml, with what the command line changed.
        schema: schemas/config.schema.yaml.

    Returns:
        dict with dataset, scale, preset, seed and the sections, and

        * `trainings`: per row of Table 2, its trainings by name, each with its number of `said.seeds`. The first bears
            the variant's name and stands for it, the others are called <variant>_seed<number>.
        * `variants`: per training, its complete `said` section without the seeds, so that one more seed changes
            nothing about those there are.

    Raises:
        ConfigError: naming every wrong key at once.
    """
    validate(config, schema)
    sections = {name: config[name] for name in SECTIONS}
    for kind in ("preset", "scale"):
        sets, chosen = config[f"{kind}s"], config[kind]
        if chosen not in sets:
            raise ConfigError(f"{kind}: {chosen!r} is none of {', '.join(sets)}{nearest(chosen, sets)}")
        sections = merge(sections, sets[chosen])
    resolved = {key: config[key] for key in ("dataset", "scale", "preset", "seed")} | sections
    resolved = _expand(resolved | {"edits": config.get("edits", {})})
    _complete(resolved, schema)
    resolved["trainings"], resolved["variants"] = _trainings(sections["said"], config["variants"])
    if resolved["lipsync"]["weights"] == "auto":
        resolved["lipsync"]["weights"] = "published" if resolved["dataset"] == "vocaset" else "trained"
    _consistent(resolved)
    return resolved


def validate(config: Mapping, schema: Mapping) -> None:
    """Check a configuration as written against the schema.

    Raises:
        ConfigError: one line per fault: the key's place, what is wrong, the nearest right name.
    """
    faults = list(_keys_that_are_no_text(config))  # these the schema takes for granted
    if not faults:
        errors = jsonschema.Draft202012Validator(schema).iter_errors(config)
        faults = [line for error in errors for line in _explain(error, schema)]
    if faults:
        raise ConfigError("\n".join(["the configuration cannot be used:", *(f"  {f}" for f in dict.fromkeys(faults))]))


def _keys_that_are_no_text(value: object, place: str = "") -> Iterator[str]:
    """A line for each key that YAML reads as a number, a date or, as it does on, off, yes and no, as a truth value."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(key, str):
                yield from _keys_that_are_no_text(inner, _join(place, key))
            else:
                yield f"{place or 'top level'}: the key {key!r} is not text to YAML; write it in quotes"


def _explain(error: jsonschema.ValidationError, schema: Mapping) -> Iterator[str]:
    """Readable lines of one schema error."""
    place = ".".join(str(part) for part in error.absolute_path)
    if error.validator in ("additionalProperties", "unevaluatedProperties"):
        allowed = list(_properties(error.schema, schema))
        for key in error.instance:
            if key not in allowed:
                yield f"{_join(place, key)}: unknown key{nearest(str(key), allowed)}"
    elif error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        yield f"{_join(place, missing[0])}: missing; copy it from the config.yaml that came with the workflow"
    elif "propertyNames" in error.absolute_schema_path:
        yield f"{_join(place, error.instance)}: not a usable name{_describe(error.schema)}"
    elif error.validator == "type" and isinstance(error.instance, str) and _is_number(error.instance):
        number = float(error.instance)
        written = f"{number:.0f}" if number.is_integer() else f"{number:.6e}, with point and sign"
        yield f"{place}: {error.instance!r} is text to YAML; write {written}"
    else:
        yield f"{place}: {error.message}{_describe(error.schema)}"


def _properties(schema: Mapping, root: Mapping) -> dict:
    """The keys that an object schema allows, through its references."""
    keys = dict(schema.get("properties", {}))
    if "$ref" in schema:
        target = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        keys |= _properties(target, root)
    return keys


def _join(place: str, key: str) -> str:
    if not re.fullmatch(r"\w+", key):
        return f"{place}[{key!r}]"
    return f"{place}.{key}" if place else key


def _expand(value):
    """A copy in which every text that begins with `~` has the home folder instead."""
    if isinstance(value, Mapping):
        return {key: _expand(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_expand(one) for one in value]
    return os.path.expanduser(value) if isinstance(value, str) else value


def _describe(schema: Mapping) -> str:
    return f" ({schema['description']})" if "description" in schema else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _complete(resolved: Mapping, schema: Mapping) -> None:
    """Every key of every section has a value: a key deleted from config.yaml is named, not guessed."""
    missing = [
        line for section in SECTIONS for line in _absent(resolved[section], schema["$defs"][section], schema, section)
    ]
    if missing:
        raise ConfigError("\n".join(["the configuration cannot be used:", *missing]))


def _absent(value: Mapping, schema: Mapping, root: Mapping, place: str) -> Iterator[str]:
    for key, inner in _properties(schema, root).items():
        if key not in value:
            yield f"  {place}.{key}: missing; copy it from the config.yaml that came with the workflow"
        elif isinstance(value[key], Mapping):
            yield from _absent(value[key], inner, root, f"{place}.{key}")


def _trainings(said: Mapping, variants: Mapping[str, Mapping]) -> tuple[dict[str, dict[str, int]], dict[str, dict]]:
    """What `resolve` calls trainings and variants.

    Raises:
        ConfigError: a further training would have the name of a variant.
    """
    trainings, settings, faults = {}, {}, []
    for variant, block in variants.items():
        merged = merge(said, block)
        first, *others = merged.pop("seeds")
        trainings[variant] = {variant: first} | {f"{variant}_seed{number}": number for number in others}
        settings |= {name: deepcopy(merged) for name in trainings[variant]}
        for name in trainings[variant].keys() & variants.keys() - {variant}:
            faults.append(f"  variants.{name}: a training of {variant} with another seed has that name; choose another")
    if faults:
        raise ConfigError("\n".join(["the configuration cannot be used:", *sorted(faults)]))
    return trainings, settings


def _consistent(resolved: Mapping) -> None:
    """What no schema can say: each speaker has one role, and numbers that bound each other do."""
    faults = []
    for dataset in ("synthetic", "vocaset"):
        split = resolved[dataset]["split"]
        seen: dict[str, str] = {}
        for role in ROLES:
            if not split.get(role):
                faults.append(f"{dataset}.split.{role}: empty; every role needs a speaker")
            for speaker in split.get(role, ()):
                if speaker in seen:
                    faults.append(
                        f"{dataset}.split.{role}: {speaker} is in {seen[speaker]} too; a speaker has one role"
                    )
                seen[speaker] = role
    variants = {name: resolved["variants"][name] for name in resolved["trainings"]}
    for name, fit in {"extractor": resolved["extractor"], "said": resolved["said"], **variants}.items():
        if fit["warmup_epochs"] > fit["epochs"]:
            faults.append(f"{name}.warmup_epochs: {fit['warmup_epochs']} is more than the {fit['epochs']} epochs")
    for name, said in {"said": resolved["said"], **variants}.items():
        if said["alignment_bias"] is None and said["alignment_schedule"] != "constant":
            faults.append(f"{name}.alignment_schedule: needs an alignment_bias to end at; here it is null")
        if resolved["sampling"]["steps"] > said["diffusion_steps"]:
            faults.append(f"sampling.steps: more than the {said['diffusion_steps']} diffusion_steps of {name}")
    sources = resolved["downloads"]["sources"]
    for name, file in resolved["downloads"]["files"].items():
        if file["source"] not in sources:
            faults.append(f"downloads.files.{name}.source: {file['source']!r} is none of {', '.join(sources)}")
    tests = resolved[resolved["dataset"]]["split"]["test"]
    if resolved["figures"]["blendshapes_of"] >= len(tests):
        faults.append(f"figures.blendshapes_of: there are {len(tests)} test speakers, counted from 0")
    if resolved["dataset"] == "synthetic":  # what another dataset holds is seen when it is read
        count, figures = resolved["synthetic"]["sentences"]["test"], resolved["figures"]
        shown = {"demo_sentence": [figures["demo_sentence"]], "comparison_sentences": figures["comparison_sentences"]}
        for key, numbers in shown.items():
            for number in numbers:
                if number >= count:
                    faults.append(f"figures.{key}: {number}: a test speaker has {count} sentences, counted from 0")
    if faults:
        raise ConfigError("\n".join(["the configuration cannot be used:", *(f"  {f}" for f in dict.fromkeys(faults))]))
