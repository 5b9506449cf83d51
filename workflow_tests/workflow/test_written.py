"""The configuration as written: keys given twice, and what --config holds."""

import json
import re

import pytest
import yaml
from conftest import ROOT

from said.workflow.config import SECTIONS, ConfigError, merge
from said.workflow.written import in_order, ineffective, read_arguments, read_files, refuse_repeated_keys

CONFIG = (ROOT / "config.yaml").read_text()


def refusal(path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        refuse_repeated_keys([path], None)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "place", "lines"),
    [
        ("seed: 0\nscale: demo\nseed: 1\n", "seed", (1, 3)),
        ("variants:\n  base: {}\n\n  # again\n  base: {loss: l2}\n", "variants.base", (2, 5)),
        ("said: {loss: l1,\n  epochs: 3, loss: l2}\n", "said.loss", (1, 2)),
        ("archives:\n- {name: a,\n   name: b}\n", "archives.0.name", (2, 3)),
        ("said:\n  'loss': l1\n  \"loss\": l1\n", "said.loss", (2, 3)),
        ("one: &one {a: 1, b: 2,\n  a: 3}\ntwo: {<<: *one}\n", "one.a", (1, 2)),
        ("one: &one {a: 1}\ntwo:\n  <<: *one\n  <<: *one\n", "two['<<']", (3, 4)),
        ("seed: 0\nseed: 1\nseed: 2\n", "seed", (2, 3)),
        ('{"seed": 1,\n\t"said": {"loss": "l1",\n\t\t"loss": "l2"}}\n', "said.loss", (2, 3)),
    ],
)
def test_a_key_given_twice_is_refused_with_both_lines(tmp_path, text, place, lines):
    first, second = lines
    message = refusal(tmp_path / "config.yaml", text)
    assert f"config.yaml: {place} is there twice, in line {first} and in line {second}; " in message


def test_every_key_of_the_shipped_configuration_is_seen_when_it_is_there_twice(tmp_path):
    """Each line that holds a key of a block is written twice."""
    lines = CONFIG.splitlines()
    nodes = [yaml.compose(CONFIG)]
    found = 0
    while nodes:
        node = nodes.pop()
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            nodes.append(value)
            line, end = key.start_mark.line, value.end_mark.line
            if key.start_mark.column == len(lines[line]) - len(lines[line].lstrip()) and line == end:
                message = refusal(tmp_path / "config.yaml", "\n".join([*lines[: line + 1], *lines[line:]]))
                assert f"{key.value}" in message and f"in line {line + 1} and in line {line + 2}" in message
                found += 1
    assert found > 150


def test_what_is_not_given_twice_is_admitted(tmp_path):
    text = "one: &one {a: 1, b: 2}\ntwo: {<<: *one, a: 3}\nthree: {<<: [*one, {a: 4}], 'b': 5}\nfour: *one\n"
    for name, content in {"config.yaml": CONFIG, "merge.yaml": text, "empty.yaml": "", "c.json": '{"a":\t1}'}.items():
        (tmp_path / name).write_text(content)
        refuse_repeated_keys([tmp_path / name], ["said={epochs: 3}", "said={loss: l2}", "seed=1", "wav={"])
    (tmp_path / "round.yaml").write_text("a: &a [*a]\n")
    refuse_repeated_keys([tmp_path / "round.yaml"], [])


def test_arguments_given_twice_are_refused():
    for arguments in (["said={loss: l1, loss: l2}"], ["seed=1", "scale=smoke", "seed=2"]):
        with pytest.raises(ConfigError, match="--config: (said.loss|seed) is there twice"):
            refuse_repeated_keys([], arguments)


def test_numbers_inside_arguments_are_those_of_a_file():
    """Snakemake reads every scalar inside braces as text, and those outside as they are."""
    argument = "said={epochs: 3, alignment_bias: null, ema_warmup: false, loss: l2}"
    read = read_arguments([argument, "seed=5", "preset=paper"])
    assert read == {"said": {"epochs": 3, "alignment_bias": None, "ema_warmup": False, "loss": "l2"}}
    assert read_arguments(["said={epochs: 3}", 'said={"width": "64"}']) == {"said": {"epochs": 3, "width": "64"}}
    variants = {"mine": {"seeds": [0, 1], "velocity_weight": 0.5}}
    assert read_arguments([f"variants={json.dumps(variants)}"]) == {"variants": variants}
    assert read_arguments(["said={epochs: 3"]) == {}  # for the schema, which sees what Snakemake took it for
    assert read_arguments(None) == {}


def edited(arguments=None, **changes):
    defaults = json.loads((ROOT / "schemas/defaults.json").read_text())
    config = merge(yaml.safe_load(CONFIG), changes)
    return ineffective(merge(config, arguments or {}), defaults, arguments)


@pytest.mark.parametrize("scale", ["smoke", "demo", "paper"])
@pytest.mark.parametrize("preset", ["paper", "released", "fast"])
def test_the_shipped_configuration_is_no_edit(scale, preset):
    assert edited(scale=scale, preset=preset) == []


def test_an_edit_that_the_scale_overrides_is_named_with_what_holds_and_the_remedy():
    lines = edited(sampling={"steps": 50}, said={"velocity_weight": 0.5, "gradient_clip": 2.0})
    assert lines == [
        "said.gradient_clip is 2.0, but the scale demo sets 1.0, which holds; "
        'edit scales.demo.said.gradient_clip or say --config "said={gradient_clip: 2.0}"',
        "sampling.steps is 50, but the scale demo sets 25, which holds; "
        'edit scales.demo.sampling.steps or say --config "sampling={steps: 50}"',
    ]


def test_an_edit_that_the_preset_overrides_is_named():
    (line,) = edited(scale="paper", preset="released", said={"gradient_clip": 2.0, "dropout": 0.2})
    assert line.startswith("said.gradient_clip is 2.0, but the preset released sets 1.0, which holds; edit presets.rel")


def test_what_the_command_line_sets_is_no_edit_without_effect():
    assert edited({"sampling": {"steps": 50}}) == []
    (line,) = edited({"sampling": {"steps": 50}}, sampling={"samples": 5})
    assert line.startswith("sampling.samples is 5, but the scale demo sets 2")


def test_what_a_file_of_the_users_asks_for_is_an_edit_even_if_it_is_the_default(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "mine.yaml").write_text("scale: smoke\nsampling: {steps: 1000}\nsaid: {gradient_clip: null}\n")
    (tmp_path / "copy.yaml").write_text(CONFIG)
    defaults = json.loads((ROOT / "schemas/defaults.json").read_text())
    for other, count in (("mine.yaml", 1), ("copy.yaml", 0)):
        files = [tmp_path / other, tmp_path / "config.yaml"]
        merged, asked = read_files(files, str(tmp_path / "config.yaml"))
        assert len(ineffective(merged, defaults, None, asked)) == count
    assert ineffective(merged, defaults, None, {"sampling": {"steps": 1000}})[0].startswith("sampling.steps is 1000")


def test_keys_are_in_the_order_of_the_files_whoever_was_read_first(tmp_path):
    (tmp_path / "config.yaml").write_text("seed: 0\nvariants:\n  base: {}\n  other: {loss: l2}\n")
    (tmp_path / "mine.yaml").write_text("variants: {third: {}, other: {loss: l1}}\n")
    files, asked = read_files([tmp_path / "mine.yaml", tmp_path / "config.yaml"], str(tmp_path / "config.yaml"))
    snakemakes = {"variants": {"fourth": {}, "third": {}, "other": {"loss": "l1"}, "base": {}}, "seed": 0}
    ordered = in_order(snakemakes, files)
    assert ordered == snakemakes and list(ordered) == ["seed", "variants"]
    assert list(ordered["variants"]) == ["base", "other", "third", "fourth"]
    assert asked == {"variants": {"third": {}, "other": {"loss": "l1"}}}


def test_the_remedies_are_right():
    """Each key that the scale sets is edited, and then again as the line says."""
    text = "\n".join(edited(sampling={"steps": 50, "guidance": 1.5}, lipsync={"epochs": 7}))
    places, commands = re.findall(r"edit (\S+) or", text), re.findall(r'--config "(.+)"', text)
    assert places == ["scales.demo.sampling.steps", "scales.demo.sampling.guidance", "scales.demo.lipsync.epochs"]
    assert read_arguments(commands) == {"sampling": {"steps": 50, "guidance": 1.5}, "lipsync": {"epochs": 7}}


def test_every_section_has_its_defaults():
    assert set(json.loads((ROOT / "schemas/defaults.json").read_text())) == set(SECTIONS)
