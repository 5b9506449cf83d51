"""The configuration: validates it with errors that help, and applies its preset, scale and variants."""

import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import jsonschema
import jsonschema.validators

from said.running.console import nearest
from said.workflow.names import CHECKSUM, METHODS, SPEAKERS, find_clashes
from said.workflow.values import as_described, find_braces, find_unusable, follow, join

SECTIONS = (
    "synthetic", "vocaset", "downloads", "blendshapes", "coefficients", "speech_encoder",
    "extractor", "said", "sampling", "baselines", "animate", "evaluation", "lipsync", "headpose", "study", "figures",
    "compute",
)  # fmt: skip
ROLES = ("train", "validation", "test")


class ConfigError(ValueError):
    """The configuration cannot be used; the message names each wrong key, its place and the remedy."""


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """`base` overridden by `override`, key by key in nested mappings; lists and other values are replaced whole."""
    merged = deepcopy(dict(base))
    for key, value in override.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = deepcopy(value)
    return merged


def resolve(
    config: Mapping[str, Any], schema: Mapping[str, Any], arguments: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The configuration of one run: the sections, overridden by the preset and then by the scale, and checked.

    A value that begins with `~` is a path; `~` is the home folder.

    Args:
        config: config.yaml, with the changes of the command line.
        schema: schemas/config.schema.yaml.
        arguments: the changes of the command line by themselves; of a section they are the last word.

    Returns:
        a dict with dataset, scale, preset, seed and the sections, and

        * `trainings`: for each row of Table 2, its trainings by name, each with its number from `said.seeds`. The
            first has the variant's name and stands for it; the others are called <variant>_seed<number>. A variant in
            `evaluation.style_methods` stands for all of them.
        * `variants`: for each training, its complete `said` section without the seeds, so that adding a seed leaves
            the existing trainings as they are.
        * `learning`: `trainings` and `variants` of `snakemake learning`; names begin with learning_.
        * `refused_edits`: for each entry of `edits` that cannot be used, a line for each of its faults; `edits` holds
            the others. A wrong entry stops nothing but itself.

        Numbers have the types, and keys the order, that the schema gives them, however they are written.

    Raises:
        ConfigError: naming every wrong key at once.
    """
    config, refused = _without_wrong_edits(config, schema)
    validate(config, schema)
    config = as_described(config, schema, schema)
    sections = {name: config[name] for name in SECTIONS}
    for kind in ("preset", "scale"):
        sets, chosen = config[f"{kind}s"], config[kind]
        if chosen not in sets:
            raise ConfigError(f"{kind}: {chosen!r} is none of {', '.join(sets)}{nearest(chosen, sets)}")
        sections = merge(sections, sets[chosen])
    sections = merge(sections, {name: value for name, value in (arguments or {}).items() if name in SECTIONS})
    sections = as_described(sections, schema, schema)
    resolved = {key: config[key] for key in ("dataset", "scale", "preset", "seed")} | sections
    resolved = _expand(resolved)
    _complete(resolved, schema)
    resolved["trainings"], resolved["variants"] = _trainings(sections["said"], config["variants"])
    named = resolved["evaluation"]["style_methods"]
    named = [training for name in named for training in resolved["trainings"].get(name, [name])]
    resolved["evaluation"]["style_methods"] = list(dict.fromkeys(named))
    blocks = {f"learning_{name}": block for name, block in config["learning"].items()}
    resolved["learning"] = dict(zip(("trainings", "variants"), _trainings(sections["said"], blocks), strict=True))
    by_dataset = "published" if resolved["dataset"] == "vocaset" else "trained"
    for section in (resolved["lipsync"], *_blocks(resolved["baselines"]).values()):
        if section.get("weights") == "auto":
            section["weights"] = by_dataset
    _consistent(resolved)
    edits = _expand(config.get("edits", {}))
    with_braces = {name: list(find_braces(entry, f"edits.{name}")) for name, entry in edits.items()}
    resolved["edits"] = {name: entry for name, entry in edits.items() if not with_braces[name]}
    resolved["refused_edits"] = refused | {name: faults for name, faults in with_braces.items() if faults}
    return resolved


def _without_wrong_edits(
    config: Mapping[str, Any], schema: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The configuration with only the edits that the schema admits, and the faults of each of the others."""
    edits = config.get("edits")
    if not isinstance(edits, Mapping):
        return dict(config), {}
    part = {"$defs": schema["$defs"], "properties": {"edits": schema["properties"]["edits"]}}
    admitted: dict[str, Mapping[str, Any]] = {}
    refused: dict[str, list[str]] = {}
    for name, entry in edits.items():
        faults = _faults({"edits": {name: entry}}, part) or list(find_clashes([*admitted, name], "edits."))
        if faults:
            refused[str(name)] = faults
        else:
            admitted[name] = entry
    return {**config, "edits": admitted}, refused


def validate(config: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Check a configuration, as it is written, against the schema.

    Raises:
        ConfigError: a line for each fault: the place of the key, what is wrong, and the nearest right name.
    """
    _raise(_faults(config, schema))


def _faults(config: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """A line for each fault of a configuration as it is written."""
    errors = _Validator(schema).iter_errors(config) if not (faults := list(find_unusable(config))) else ()
    faults += [line for error in errors for line in _explain(error, schema)]
    # 3.0e+200 is a whole number, but too large to be a count.
    faults = faults or list(find_unusable(as_described(config, schema, schema)))
    return list(dict.fromkeys(faults))


def _raise(faults: Iterable[str]) -> None:
    if faults := list(dict.fromkeys(faults)):
        raise ConfigError("\n".join(["the configuration cannot be used:", *(f"  {fault}" for fault in faults)]))


def _pattern(
    validator: object, pattern: str, instance: object, schema: Mapping[str, Any]
) -> Iterator[jsonschema.ValidationError]:
    """A pattern as JSON Schema means it; Python alone would let `$` match before a final line break."""
    if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


_Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": _pattern})


def _explain(error: jsonschema.ValidationError, schema: Mapping[str, Any]) -> Iterator[str]:
    """A schema error as readable lines."""
    violated: Any = error.schema
    instance: Any = error.instance
    required: Any = error.validator_value
    place = ".".join(str(part) for part in error.absolute_path)
    if error.validator in ("additionalProperties", "unevaluatedProperties"):
        allowed = list(_properties(violated, schema))
        for key in instance:
            if key not in allowed:
                yield f"{join(place, key)}: unknown key{nearest(str(key), allowed)}"
    elif error.validator == "required":
        for key in required:
            if key not in instance:
                yield f"{join(place, key)}: missing; copy it from the config.yaml that came with the workflow"
    elif "propertyNames" in error.absolute_schema_path:
        yield f"{join(place, instance)}: not a usable name{_describe(violated)}"
    elif error.validator == "type" and isinstance(instance, str) and _is_number(instance):
        number = float(instance)
        written = f"{number:.0f}" if number.is_integer() else f"{number:.6e}, with point and sign"
        yield f"{place}: {instance!r} is text to YAML; write {written}"
    else:
        yield f"{place}: {error.message}{_describe(violated)}"


def _properties(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that an object schema allows, those of its references included."""
    return follow(schema, root).get("properties", {})


def _expand(value: Any) -> Any:
    """A copy in which `~` at the beginning of a text is replaced by the home folder."""
    if isinstance(value, Mapping):
        return {key: _expand(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_expand(inner) for inner in value]
    return os.path.expanduser(value) if isinstance(value, str) else value


def _describe(schema: Mapping[str, Any]) -> str:
    return f" ({schema['description']})" if "description" in schema else ""


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _complete(resolved: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Require a value for every key of every section: a key deleted from config.yaml is named, not guessed."""
    missing = [
        line for section in SECTIONS for line in _absent(resolved[section], schema["$defs"][section], schema, section)
    ]
    _raise(missing)


def _absent(value: Mapping[str, Any], schema: Mapping[str, Any], root: Mapping[str, Any], place: str) -> Iterator[str]:
    for key, inner in _properties(schema, root).items():
        if key not in value:
            yield f"{place}.{key}: missing; copy it from the config.yaml that came with the workflow"
        elif isinstance(value[key], Mapping):
            yield from _absent(value[key], inner, root, f"{place}.{key}")


def _trainings(
    said: Mapping[str, Any], variants: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, Any]]]:
    """What `resolve` returns as `trainings` and `variants`.

    Raises:
        ConfigError: a training with a further seed would have the name of another variant.
    """
    trainings: dict[str, dict[str, int]] = {}
    settings: dict[str, dict[str, Any]] = {}
    faults: list[str] = []
    for variant, block in variants.items():
        merged = merge(said, block)
        first, *others = merged.pop("seeds")
        trainings[variant] = {variant: first} | {f"{variant}_seed{number}": number for number in others}
        settings |= {name: deepcopy(merged) for name in trainings[variant]}
        for name in trainings[variant].keys() & variants.keys() - {variant}:
            faults.append(f"variants.{name}: a training of {variant} with another seed has that name; choose another")
    _raise(sorted(faults))
    return trainings, settings


def _consistent(resolved: Mapping[str, Any]) -> None:
    """Check what no schema can: that each speaker has one role, and that values fit each other."""
    faults = list(find_braces({section: resolved[section] for section in SECTIONS}))
    for dataset in ("synthetic", "vocaset"):
        split = resolved[dataset]["split"]
        speakers = [speaker for role in ROLES for speaker in split.get(role, ())]
        faults += find_clashes(speakers, f"{dataset}.split: ", taken=SPEAKERS)
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
    methods = ["ground_truth", *resolved["variants"]] + ["oracle"] * (resolved["dataset"] == "synthetic")
    faults += find_clashes(resolved["variants"], "variants.", taken=METHODS)
    learning = resolved["learning"]["variants"]
    for name in learning.keys() & resolved["variants"].keys():
        faults.append(f"variants.{name}: a training of `learning` has that name; choose another")
    for name in resolved["evaluation"]["style_methods"]:
        if name not in methods:
            faults.append(f"evaluation.style_methods: {name!r} is none of {', '.join(methods)}{nearest(name, methods)}")
    variants = {name: resolved["variants"][name] for name in resolved["trainings"]} | learning
    for name, fit in {"extractor": resolved["extractor"], "said": resolved["said"], **variants}.items():
        if fit["warmup_epochs"] > fit["epochs"]:
            faults.append(f"{name}.warmup_epochs: {fit['warmup_epochs']} is more than the {fit['epochs']} epochs")
    faults += _wrong_widths(resolved)
    faults += _wrong_headpose(resolved["headpose"])
    for name, said in {"said": resolved["said"], **variants}.items():
        if said["alignment_bias"] is None and said["alignment_schedule"] != "constant":
            faults.append(f"{name}.alignment_schedule: needs an alignment_bias to end at; here it is null")
        if said["selection"] == "sample_fd" and not said["preview_every"]:
            faults.append(
                f"{name}.selection: sample_fd is measured on previews; set preview_every, here 0, to 1 or more"
            )
        if resolved["sampling"]["steps"] > said["diffusion_steps"]:
            faults.append(f"sampling.steps: more than the {said['diffusion_steps']} diffusion_steps of {name}")
    if resolved["sampling"]["eta"] and resolved["sampling"]["sampler"] != "ddim":
        faults.append(f"sampling.eta: has no effect with the sampler {resolved['sampling']['sampler']}; set it to 0.0")
    faults += _clashing_downloads(resolved)
    sources = resolved["downloads"]["sources"]
    for name, file in resolved["downloads"]["files"].items():
        if file["source"] not in sources:
            faults.append(f"downloads.files.{name}.source: {file['source']!r} is none of {', '.join(sources)}")
    tests = resolved[resolved["dataset"]]["split"]["test"]
    if resolved["figures"]["blendshapes_of"] >= len(tests):
        faults.append(f"figures.blendshapes_of: there are {len(tests)} test speakers, counted from 0")
    if resolved["dataset"] == "synthetic":  # what another dataset holds is known only when it is read
        count, figures = resolved["synthetic"]["sentences"]["test"], resolved["figures"]
        shown = {"demo_sentence": [figures["demo_sentence"]], "comparison_sentences": figures["comparison_sentences"]}
        for key, numbers in shown.items():
            for number in numbers:
                if number >= count:
                    faults.append(f"figures.{key}: {number}: a test speaker has {count} sentences, counted from 0")
    _raise(faults)


def _wrong_widths(resolved: Mapping[str, Any]) -> Iterator[str]:
    """A line for each model whose width its heads or its codes do not divide."""
    faceformer, codetalker = (resolved["baselines"][name] for name in ("faceformer", "codetalker"))
    models = {
        "speech_encoder.stand_in": resolved["speech_encoder"]["stand_in"],
        "baselines.faceformer": faceformer,
        "baselines.codetalker": codetalker,
        "baselines.codetalker.autoencoder": codetalker["autoencoder"],
    }
    for name, model in models.items():
        if model["width"] % model["heads"]:
            yield f"{name}.width: {model['width']} cannot be divided into {model['heads']} heads"
        if "code_width" in model and model["width"] % model["code_width"]:
            yield f"{name}.width: {model['width']} cannot be divided into codes of code_width {model['code_width']}"


def _wrong_headpose(headpose: Mapping[str, Any]) -> Iterator[str]:
    """A line for each fault of the models of head poses."""
    variants = {f"variants.{name}": merge(headpose["generator"], block) for name, block in headpose["variants"].items()}
    for name, model in {"pose_vq": headpose["pose_vq"], "generator": headpose["generator"], **variants}.items():
        if model["warmup_epochs"] > model["epochs"]:
            yield f"headpose.{name}.warmup_epochs: {model['warmup_epochs']} is more than the {model['epochs']} epochs"
        if model["width"] % model["heads"]:
            yield f"headpose.{name}.width: {model['width']} cannot be divided into {model['heads']} heads"
    for name in headpose["measures"]["variants"] or ():
        if name not in headpose["variants"]:
            near = nearest(name, headpose["variants"])
            yield f"headpose.measures.variants: {name!r} is none of {', '.join(headpose['variants'])}{near}"
    if 200 % headpose["pose_vq"]["block"]:
        yield f"headpose.pose_vq.block: a clip has 200 frames, no multiple of {headpose['pose_vq']['block']}"
    yield from find_clashes(headpose["variants"], "headpose.variants.", taken=headpose["measures"]["others"])
    yield from _wrong_faces(headpose)


def _wrong_faces(headpose: Mapping[str, Any]) -> Iterator[str]:
    """A line for each fault of the models of faces."""
    face, blocks = headpose["face"], headpose["face_variants"]
    variants = {f"face_variants.{name}": merge(face, block) for name, block in blocks.items()}
    models = {"facial_vq": headpose["facial_vq"], "face": face, **variants}
    for name, model in models.items():
        if model["width"] % model["heads"]:
            yield f"headpose.{name}.width: {model['width']} cannot be divided into {model['heads']} heads"
    for name, model in {"face": face, **variants}.items():
        if model["width"] % 2:
            yield f"headpose.{name}.width: {model['width']} is odd, and positions are pairs of numbers"
        if not (model["global_path"] or model["local_path"]):
            yield f"headpose.{name}: both paths are switched off; nothing would move"
    if headpose["emotions"]["path"] is not None and headpose["emotions"]["flame"] is None:
        yield "headpose.emotions.flame: MEAD's parameters, headpose.emotions.path, move FLAME; name its file"


def _blocks(baselines: Mapping[str, Any]) -> dict[str, Any]:
    """Of the section `baselines`, those of the methods."""
    return {name: block for name, block in baselines.items() if isinstance(block, Mapping)}


def _clashing_downloads(resolved: Mapping[str, Any]) -> Iterator[str]:
    """A line for each pair of names that would be one file among the downloads or the archives, checksums included."""
    archives = [archive["name"] for archive in resolved["vocaset"]["archives"]]
    for name in dict.fromkeys(archives):
        if archives.count(name) > 1:
            yield f"vocaset.archives: {name} is listed twice; remove one"
    yield from find_clashes(archives, "vocaset.archives: ")
    files = list(resolved["downloads"]["files"])
    yield from find_clashes(files, "downloads.files.", taken=["vocaset", *(f"{name}{CHECKSUM}" for name in files)])
