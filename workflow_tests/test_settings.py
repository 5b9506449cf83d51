"""Sections of config.yaml as dataclasses: the schema's keys, types and choices, the paper's values."""

import types
from dataclasses import asdict, fields, replace
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
import yaml
from conftest import ROOT

from said.evaluation import EvaluationSettings
from said.lipsync.training import SyncNetSettings
from said.sampling import SamplingSettings
from said.training.codetalker import AutoencoderSettings, CodeTalkerSettings
from said.training.dual_path import DualPathSettings
from said.training.end2end import End2EndSettings
from said.training.extractor import ExtractorSettings
from said.training.faceformer import FaceFormerSettings
from said.training.facial_vq import FacialVQSettings
from said.training.meshtalk import MeshTalkSettings, PriorSettings
from said.training.stand_in import StandInSettings
from said.training.voca import VocaSettings
from said.training.windows import SaidSettings
from said.workflow.values import follow

SCHEMA = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text())
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
SECTIONS = {
    "baselines.codetalker": CodeTalkerSettings,
    "baselines.codetalker.autoencoder": AutoencoderSettings,
    "baselines.end2end": End2EndSettings,
    "baselines.faceformer": FaceFormerSettings,
    "baselines.meshtalk": MeshTalkSettings,
    "baselines.meshtalk.prior": PriorSettings,
    "baselines.voca": VocaSettings,
    "evaluation": EvaluationSettings,
    "extractor": ExtractorSettings,
    "headpose.face": DualPathSettings,
    "headpose.facial_vq": FacialVQSettings,
    "lipsync": SyncNetSettings,
    "said": SaidSettings,
    "sampling": SamplingSettings,
    "speech_encoder.stand_in": StandInSettings,
}
ELSEWHERE = {
    "baselines.codetalker": {"weights", "published"},
    "baselines.faceformer": {"weights", "published"},
    "baselines.meshtalk": {"sampling"},
    "baselines.voca": {"weights", "published"},
    "evaluation": {"floors"},
    "headpose.facial_vq": {"corpus"},
    "lipsync": {"weights", "published", "samples"},
    "said": {"seeds"},
}
"""Keys that the rules read."""
TYPES = {"integer": int, "number": float, "boolean": bool, "string": str, "null": types.NoneType}


def described(section: str) -> dict:
    """The schema of each key of a section."""
    name, *inner = section.split(".")
    schema = follow(SCHEMA["$defs"][name], SCHEMA)
    for key in inner:
        schema = follow(schema["properties"][key], SCHEMA)
    return {key: follow(one, SCHEMA) for key, one in schema["properties"].items()}


def written(section: str) -> dict:
    value = CONFIG
    for key in section.split("."):
        value = value[key]
    return value


@pytest.mark.parametrize(("section", "cls"), SECTIONS.items())
def test_fields_are_the_schemas_keys_and_defaults_the_papers_values(section, cls):
    keys, names = described(section), [field.name for field in fields(cls)]
    assert len(names) == len(keys.keys() - ELSEWHERE.get(section, set()))
    assert {*names} | ELSEWHERE.get(section, set()) == keys.keys()
    own = {key: value for key, value in written(section).items() if key in names}
    assert asdict(replace(cls(), **{key: tuple(v) for key, v in own.items() if isinstance(v, list)})) == {
        key: tuple(value) if isinstance(value, list) else value for key, value in own.items()
    }
    assert cls.of(written(section)) == cls.of(cls.of(own)) == cls(**own)


@pytest.mark.parametrize(("section", "cls"), SECTIONS.items())
def test_types_and_choices_are_the_schemas(section, cls):
    keys = described(section)
    for name, hint in get_type_hints(cls).items():
        if name in keys and "enum" in keys[name]:
            # All with all is for the methods of `style_methods`, which is a key of its own.
            more = {"combinations"} if (section, name) == ("evaluation", "multimodality") else set()
            assert get_origin(hint) is Literal and {*get_args(hint)} == {*keys[name]["enum"], *more}
        elif name in keys and keys[name]["type"] not in ("array", "object"):
            kinds = keys[name]["type"] if isinstance(keys[name]["type"], list) else [keys[name]["type"]]
            assert {*(get_args(hint) or (hint,))} == {TYPES[kind] for kind in kinds}, name


def test_what_is_none_of_the_choices_is_named():
    with pytest.raises(ValueError, match="sampler must be one of ddim, ddpm, dpmsolver\\+\\+, not 'euler'"):
        SamplingSettings(sampler="euler")
    with pytest.raises(ValueError, match="loss must be one of l1, l2, not 'L1'"):
        SaidSettings.of({"loss": "L1"})
    with pytest.raises(TypeError, match="gidance"):
        SamplingSettings(gidance=1.0)
    with pytest.raises(AttributeError):
        SamplingSettings().steps = 3
