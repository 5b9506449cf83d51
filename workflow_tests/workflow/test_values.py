"""Numbers and names of the configuration: those that are refused, and names that would share a file."""

import copy
import json
import math
import re

import pytest
import yaml
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from said.workflow.config import SECTIONS, ConfigError, merge, resolve
from said.workflow.names import METHODS, SPEAKERS
from said.workflow.values import find_unusable

SCHEMA = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text())
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())


def leaves(value, place=()):
    """Places of everything in the configuration that holds nothing else."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inside is None:
        yield place
    else:
        for key, inner in inside:
            yield from leaves(inner, (*place, key))


def at(config, place):
    for key in place:
        config = config[key]
    return config


def changed(place, value, config=CONFIG):
    config = copy.deepcopy(config)
    at(config, place[:-1])[place[-1]] = value
    return config


def is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


LEAVES = list(leaves(CONFIG))
NUMBERS = [place for place in LEAVES if is_number(at(CONFIG, place))]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 2**63, 10**400], ids=str)
def test_no_number_is_one_that_cannot_be_computed_with(value):
    assert len(NUMBERS) > 120
    config = copy.deepcopy(CONFIG)
    for place in NUMBERS:
        at(config, place[:-1])[place[-1]] = value
    config["edits"] = {}
    with pytest.raises(ConfigError) as caught:
        resolve(config, SCHEMA)
    lines = str(caught.value).splitlines()[1:]
    assert len(lines) == len(NUMBERS) - sum(place[0] == "edits" for place in NUMBERS)
    for line in lines:
        assert re.search("not a finite number|does not fit in 64 bits", line), line


@pytest.mark.parametrize("place", [("seed",), ("vocaset", "length_tolerance"), ("said", "alignment_bias"), ("edits",)])
def test_nan_is_named_where_it_stands(place):
    if place == ("edits",):
        refused = resolve(merge(CONFIG, {"edits": {"mine": {"speaker": 0, "strength": math.nan}}}), SCHEMA)
        assert "edits.mine.strength: nan is not a finite number" in refused["refused_edits"]["mine"][0]
        return
    with pytest.raises(ConfigError, match=f"  {'.'.join(place)}: nan is not a finite number"):
        resolve(changed(place, math.nan), SCHEMA)


def backwards(value):
    """With the lines of each mapping from bottom to top, but for the names of rows, whose order is that of tables."""
    if not isinstance(value, dict):
        return value
    return {key: value[key] if key.endswith("variants") else backwards(value[key]) for key in reversed(value)}


def test_the_order_of_lines_is_no_change():
    """Snakemake compares settings as text: every section's lines from bottom to top give the same text."""
    sections = {name: backwards(section) for name, section in CONFIG.items() if name not in ("downloads", "variants")}
    for scale in CONFIG["scales"]:
        plain, other = (resolve({**CONFIG, **changed, "scale": scale}, SCHEMA) for changed in ({}, sections))
        for name in SECTIONS:
            assert json.dumps(other[name]) == json.dumps(plain[name])
        assert json.dumps(other["variants"]) == json.dumps(plain["variants"])


def test_a_whole_number_is_one_however_it_is_written():
    """All integers as floats, and all whole floats as integers, are the same configuration to the last type."""
    floats, integers = copy.deepcopy(CONFIG), copy.deepcopy(CONFIG)
    for place in NUMBERS:
        value = at(CONFIG, place)
        at(floats, place[:-1])[place[-1]] = float(value)
        at(integers, place[:-1])[place[-1]] = int(value) if value == int(value) else value
    for scale in CONFIG["scales"]:
        plain, *others = (
            json.dumps(resolve({**config, "scale": scale}, SCHEMA)) for config in (CONFIG, floats, integers)
        )
        assert others == [plain, plain]
    assert repr(resolve(merge(CONFIG, {"seed": 3.0}), SCHEMA)["seed"]) == "3"
    edits = {"mine": {"speaker": 1.0, "sentence": 0.0, "frames": [[0.0, -1]], "repeat": 2.0, "strength": 1}}
    edit = resolve(merge(CONFIG, {"edits": edits}), SCHEMA)["edits"]["mine"]
    assert json.dumps(edit) == (
        '{"speaker": 1, "sentence": 0, "frames": [[0, -1]], "repeat": 2, "strength": 1.0}'
    )  # fmt: skip


WHOLE_FLOAT_IS_TOO_LARGE = {"said": {"epochs": 3.0e200}}
CLASHES = [
    (
        {"synthetic": {"split": {"train": ["regions"]}}},
        ["synthetic.split: regions", "the workflow itself uses 'regions'"],
    ),
    ({"vocaset": {"split": {"test": ["Quality"]}}}, ["vocaset.split: Quality", "itself uses 'quality'"]),
    ({"synthetic": {"split": {"train": ["anna", "Anna"]}}}, ["Anna: the same file as 'anna'"]),
    ({"synthetic": {"split": {"train": ["Speaker09"]}}}, ["speaker09: the same file as 'Speaker09'"]),
    ({"synthetic": {"split": {"train": ["anna\n"]}}}, ["synthetic.split.train.0", "line break"]),
    ({"synthetic": {"split": {"train": ["a" * 101]}}}, ["synthetic.split.train.0"]),
    ({"variants": {"Base": {}}}, ["variants.Base: the same file as 'base'"]),
    ({"variants": {"base": {"seeds": [0, 1]}, "BASE_seed1": {}}}, ["variants.BASE_seed1", "'base_seed1'"]),
    ({"variants": {"base\n": {}}}, ["variants['base\\n']", "line break"]),
    ({"variants": {"truth": {}}}, ["variants.truth: not a usable name"]),
    ({"variants": {"Oracle": {}}}, ["variants.Oracle", "itself uses 'oracle'"]),
    ({"variants": {"b" * 101: {}}}, ["not a usable name"]),
    ({"scales": {"demo\n": {}}}, ["scales['demo\\n']"]),
    ({"downloads": {"files": {"VAE.pth": {"source": "said", "path": "x", "sha256": None}}}}, ["downloads.files.VAE"]),
    (
        {"downloads": {"files": {"vae.pth.sha256": {"source": "said", "path": "x", "sha256": None}}}},
        ["downloads.files.vae.pth.sha256", "the workflow itself uses"],
    ),
    ({"vocaset": {"archives": [{"name": "a.zip", "gigabytes": 1}] * 2}}, ["vocaset.archives: a.zip is listed twice"]),
    ({"downloads": {"folder": "data/{scale}"}}, ["downloads.folder", "has braces"]),
    ({"vocaset": {"path": "~/{copy}"}}, ["vocaset.path", "has braces"]),
    ({"speech_encoder": {"name": "a\x00b"}}, ["speech_encoder.name", "control character"]),
    ({"evaluation": {"style_methods": ["nobody"]}}, ["evaluation.style_methods: 'nobody' is none of"]),
    ({"evaluation": {"style_methods": ["bas"]}}, ["did you mean 'base'?"]),
    ({"dataset": "vocaset", "evaluation": {"style_methods": ["oracle"]}}, ["style_methods: 'oracle'"]),
    ({"sampling": {"sampler": "ddpm", "eta": 0.5}}, ["sampling.eta: has no effect with the sampler ddpm"]),
    (WHOLE_FLOAT_IS_TOO_LARGE, ["said.epochs", "64 bits"]),
]


@pytest.mark.parametrize(("changes", "named"), CLASHES)
def test_what_would_collide_or_do_nothing_is_refused_by_name(changes, named):
    with pytest.raises(ConfigError) as caught:
        resolve(merge(CONFIG, changes), SCHEMA)
    for part in named:
        assert part in str(caught.value)


def test_style_methods_may_be_any_method():
    methods = ["base", "base_seed1", "ground_truth", "oracle"]
    changes = {"evaluation": {"style_methods": methods}, "variants": {"base": {"seeds": [0, 1]}}}
    assert resolve(merge(CONFIG, changes), SCHEMA)["evaluation"]["style_methods"] == methods


@pytest.mark.parametrize(("wildcard", "taken"), [("speaker", SPEAKERS), ("variant", METHODS), ("method", METHODS)])
def test_no_name_that_is_free_is_a_file_of_another_rule(wildcard, taken):
    """Each path of the rules in which the wildcard stands, beside each in which another word stands there."""
    text = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk")).replace("{{", "{").replace("}}", "}")
    paths = {path.removesuffix("/") for path in re.findall(r'"(results/\{(?:run|RUN)\}/[^"]*)"', text)}
    paths = {path.replace("{RUN}", "{run}") for path in paths} - {"results/{run}/benchmarks"}
    folders = {"/".join(path.split("/")[:length]) for path in paths for length in range(3, path.count("/") + 2)}
    names = {"speaker": "[a-z0-9_]+", "variant": "[a-z0-9_]+", "method": "[a-z0-9_]+", "edit": "[a-z0-9_]+"}
    # Rows of the table of head poses have names of their own, of which the schema keeps the taken ones out.
    paths = {path for path in paths if not path.startswith("results/{run}/headpose/")}
    for path in (path for path in paths if f"{{{wildcard}}}" in path.split("/logs/")[0]):
        pattern = re.escape(path).replace(re.escape(f"{{{wildcard}}}"), "(?P<name>[a-z0-9_]+)", 1)
        pattern = re.sub(r"\\{(\w+)\\}", lambda match: names.get(match[1], match[0]), pattern)
        for other in paths | folders:
            if match := re.fullmatch(pattern, other):
                assert match["name"] in taken, f"{path} and {other}"


# Random changes. A configuration is admitted, and can be worked with, or refused by the name of what was changed.

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.integers(-3, 300).map(float), st.floats(0, 2),
    st.text(max_size=8), st.sampled_from(["nan", "1e-5", "base", "{x}", "a\nb", "../x", "~", "con", "."]),
    st.lists(st.integers(-1, 3), max_size=3), st.lists(st.text(max_size=3), max_size=2),
    st.dictionaries(st.one_of(st.text(max_size=5), st.integers()), st.integers(), max_size=2),
)  # fmt: skip
PLACES = sorted({place[:length] for place in LEAVES for length in range(1, len(place) + 1)}, key=str)


@st.composite
def mutations(draw):
    """A configuration with one change, and the words of which one has to be named if it is refused."""
    place, value = draw(st.sampled_from(PLACES)), draw(VALUES)
    action = draw(st.sampled_from(["set", "set", "set", "delete", "add"]))
    config = copy.deepcopy(CONFIG)
    if action == "add":
        holder = at(config, place)
        if isinstance(holder, dict):
            key = draw(st.one_of(st.text(max_size=6), st.sampled_from(["epoch", "Base", "x", "truth", True, 3])))
            holder[key] = value
            return config, {repr(key).strip("'\""), str(key), str(place[-1])}
    parent = at(config, place[:-1])
    if action == "delete":
        del parent[place[-1]]
    else:
        parent[place[-1]] = value
    return config, set(map(str, place[-3:]))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(mutations())
def test_a_random_change_is_admitted_or_refused_by_name(mutation):
    config, words = mutation
    try:
        resolved = resolve(config, SCHEMA)
    except ConfigError as error:
        assert any(word in str(error) for word in words), str(error)
    else:
        assert not list(find_unusable(resolved))
        assert json.loads(json.dumps(resolved, allow_nan=False)) == resolved
        for name, faults in resolved["refused_edits"].items():
            assert faults and all(line.startswith("edits") and name[:3] in line for line in faults) or not name
        json.dumps(resolved, sort_keys=True)
