"""The configuration: what is accepted, and how everything else is refused."""

import copy

import pytest
import yaml
from conftest import ROOT

from said.lipsync import syncnet
from said.seeds import derive_seed, training_seed
from said.workflow.config import ConfigError, merge, resolve

SCHEMA = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text())
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())


def config(**changes):
    return merge(copy.deepcopy(CONFIG), changes)


def refusal(changed) -> str:
    with pytest.raises(ConfigError) as caught:
        resolve(changed, SCHEMA)
    return str(caught.value)


@pytest.mark.parametrize("scale", CONFIG["scales"])
@pytest.mark.parametrize("preset", CONFIG["presets"])
@pytest.mark.parametrize("dataset", ["synthetic", "vocaset"])
def test_every_shipped_combination_is_accepted(dataset, scale, preset):
    assert resolve(config(dataset=dataset, scale=scale, preset=preset), SCHEMA)["scale"] == scale


def test_paper_scale_is_the_papers_settings():
    said = resolve(config(scale="paper"), SCHEMA)["said"]
    assert (said["epochs"], said["batch_size"], said["learning_rate"]) == (50000, 8, 1e-5)
    assert (said["ema_decay"], said["prediction"], said["coefficient_scale"]) == (0.9999, "epsilon", "none")
    sampling = resolve(config(scale="paper"), SCHEMA)["sampling"]
    assert (sampling["steps"], sampling["guidance"], sampling["samples"]) == (1000, 2.0, 72)


def test_table_2_has_the_papers_five_rows():
    variants = resolve(config(scale="paper"), SCHEMA)["variants"]
    assert list(variants) == ["base", "squared_error", "no_velocity", "no_alignment_bias", "finetuned_encoder"]
    changes = {name: {k: v for k, v in said.items() if v != variants["base"][k]} for name, said in variants.items()}
    assert changes == {
        "base": {}, "squared_error": {"loss": "l2"}, "no_velocity": {"velocity_weight": 0.0},
        "no_alignment_bias": {"alignment_bias": None}, "finetuned_encoder": {"encoder": "finetuned"},
    }  # fmt: skip


def test_released_preset_changes_what_the_released_code_does_otherwise():
    released = resolve(config(scale="paper", preset="released"), SCHEMA)
    assert released["said"]["encoder_mode"] == "train" and released["said"]["gradient_clip"] == 1.0
    assert released["sampling"]["guidance_off_at_one"] and released["evaluation"]["multimodality"] == "halves"


def test_variant_wins_over_scale_wins_over_preset_wins_over_section():
    changed = config(preset="released", scale="demo", variants={"base": {"gradient_clip": 3.0}})
    resolved = resolve(changed, SCHEMA)
    assert resolved["said"]["epochs"] == CONFIG["scales"]["demo"]["said"]["epochs"]  # not released's 100,000
    assert resolved["said"]["encoder_mode"] == "train"  # released's
    assert resolved["variants"]["base"]["gradient_clip"] == 3.0


def test_each_seed_is_a_training_of_the_same_settings():
    plain = resolve(config(), SCHEMA)
    assert plain["trainings"] == {name: {name: 0} for name in CONFIG["variants"]}
    assert list(plain["variants"]) == list(CONFIG["variants"]) and "seeds" not in plain["variants"]["base"]
    changed = resolve(config(variants={"base": {"seeds": [0, 3, 1]}, "squared_error": {"seeds": [2]}}), SCHEMA)
    assert changed["trainings"]["base"] == {"base": 0, "base_seed3": 3, "base_seed1": 1}
    assert changed["trainings"]["squared_error"] == {"squared_error": 2}
    further = [changed["variants"].pop(name) for name in ("base_seed3", "base_seed1")]
    assert changed["variants"] == plain["variants"] and further == [plain["variants"]["base"]] * 2


def test_all_trainings_of_a_method_with_styles_have_them():
    changed = config(said={"seeds": [0, 1]}, evaluation={"style_methods": ["base", "oracle"]})
    assert resolve(changed, SCHEMA)["evaluation"]["style_methods"] == ["base", "base_seed1", "oracle"]


def test_seeds_of_trainings_differ_and_number_0_is_that_of_no_seeds():
    assert training_seed(5, 0) == derive_seed(5, "said")
    assert len({training_seed(5, number) for number in range(4)}) == 4


def test_trainings_of_learning_stand_beside_the_variants():
    resolved = resolve(config(learning={"wide": {"width": 96, "seeds": [0, 2]}}), SCHEMA)
    learning = resolved["learning"]
    assert learning["trainings"]["learning_wide"] == {"learning_wide": 0, "learning_wide_seed2": 2}
    without_seeds = {key: value for key, value in resolved["said"].items() if key != "seeds"}
    assert learning["variants"]["learning_wide_seed2"] == without_seeds | {"width": 96}
    assert not any(name.startswith("learning") for name in resolved["variants"] | resolved["trainings"])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"said": {"seeds": []}}, ["said.seeds"]),
        ({"said": {"seeds": [0, 0]}}, ["said.seeds"]),
        ({"variants": {"base": {"seeds": [0, -1]}}}, ["variants.base.seeds.1"]),
        ({"variants": {"base": {"seeds": 2}}}, ["variants.base.seeds"]),
        ({"said": {"seeds": [0, 1]}, "variants": {"base_seed1": {}}}, ["variants.base_seed1", "choose another"]),
        ({"said": {"learnin_rate": 1.0}}, ["said.learnin_rate", "did you mean 'learning_rate'"]),
        ({"sayd": {}}, ["sayd", "did you mean 'said'"]),
        ({"variants": {"learning_x0": {}}}, ["variants.learning_x0", "a training of `learning` has that name"]),
        ({"learning": {"wide": {"widht": 96}}}, ["learning.wide.widht", "'width'"]),
        ({"learning": {"wide": {"warmup_epochs": 9999999}}}, ["learning_wide.warmup_epochs"]),
        ({"variants": {"mine": {"alignment_bais": 2}}}, ["variants.mine.alignment_bais", "'alignment_bias'"]),
        ({"scales": {"demo": {"said": {"epoch": 3}}}}, ["scales.demo.said.epoch", "'epochs'"]),
        ({"said": {"epochs": -1}}, ["said.epochs", "-1"]),
        ({"said": {"epochs": 2.5}}, ["said.epochs", "2.5"]),
        ({"said": {"loss": "l3"}}, ["said.loss", "l3"]),
        ({"said": {"learning_rate": "1e-5"}}, ["said.learning_rate", "text to YAML"]),
        ({"variants": {"../x": {}}}, ["variants['../x']", "not a usable name"]),
        ({"variants": {"ground_truth": {}}}, ["variants.ground_truth", "not a usable name", "methods already"]),
        ({"scales": {"Big": {}}}, ["scales.Big", "not a usable name", "lower-case letter"]),
        ({"variants": {True: {}}}, ["variants: the key True is not text", "in quotes"]),
        ({"said": {5: 1}}, ["said: the key 5 is not text"]),
        ({"scale": "paper", "extractor": {"warmup_epochs": 9999999}}, ["extractor.warmup_epochs"]),
        ({"synthetic": {"split": {"train": []}}}, ["synthetic.split.train"]),
        ({"synthetic": {"split": {"train": ["speaker11"]}}}, ["speaker11", "a speaker has one role"]),
        ({"vocaset": {"split": {"test": ["../../etc"]}}}, ["vocaset.split.test"]),
        ({"study": {"order": "latin"}}, ["study.order", "latin"]),
        ({"study": {"part1": {"methds": []}}}, ["study.part1.methds", "'methods'"]),
        ({"study": {"part2": {"clips": [0, 0]}}}, ["study.part2.clips"]),
        ({"study": {"post_url": "https://a.org; script-src *"}}, ["study.post_url"]),
        ({"study": {"size": 321}}, ["study.size"]),
        ({"variants": {"base": {"selection": "sample_fd", "preview_every": 0}}}, ["base.selection", "preview_every"]),
        ({"speech_encoder": {"stand_in": {"heads": 3}}}, ["speech_encoder.stand_in.width: 128", "into 3 heads"]),
        ({"baselines": {"faceformer": {"heads": 3}}}, ["baselines.faceformer.width: 64", "into 3 heads"]),
        ({"baselines": {"codetalker": {"heads": 3}}}, ["baselines.codetalker.width: 64", "into 3 heads"]),
        (
            {"scale": "paper", "baselines": {"codetalker": {"autoencoder": {"code_width": 5}}}},
            ["baselines.codetalker.autoencoder.width: 1024", "code_width 5"],
        ),
        ({"scale": "dmo"}, ["scale", "did you mean 'demo'"]),
        ({"preset": "papr"}, ["preset", "did you mean 'paper'"]),
        ({"dataset": "vocset"}, ["dataset", "vocset"]),
        ({"scale": "paper", "sampling": {"steps": 2000}}, ["sampling.steps", "1000"]),
        ({"variants": {"base": {"warmup_epochs": 9999999}}}, ["base.warmup_epochs"]),
        ({"headpose": {"variants": {"base": {"semantics": False}}}}, ["headpose.variants.base.semantics", "semantic"]),
        ({"headpose": {"variants": {"vq": {}}}}, ["headpose.variants.vq", "not a usable name"]),
        ({"headpose": {"measures": {"variants": ["bas"]}}}, ["headpose.measures.variants", "did you mean 'base'"]),
        ({"headpose": {"pose_vq": {"block": 7}}}, ["headpose.pose_vq.block", "200 frames"]),
        ({"headpose": {"variants": {"base": {"heads": 5}}}}, ["headpose.variants.base.width", "into 5 heads"]),
        ({"scale": "paper", "headpose": {"generator": {"warmup_epochs": 9999}}}, ["headpose.generator.warmup_epochs"]),
        ({"headpose": {"measures": {"others": ["Base"]}}}, ["headpose.variants.base", "'Base'"]),
        ({"figures": {"demo_sentence": 45}}, ["figures.demo_sentence: 45", "20 sentences, counted from 0"]),
        ({"scale": "smoke", "figures": {"comparison_sentences": [1, 2]}}, ["figures.comparison_sentences: 2", "has 2"]),
        (
            {"variants": {"base": {"alignment_bias": None, "alignment_schedule": "linear"}}},
            ["base.alignment_schedule", "needs an alignment_bias"],
        ),
    ],
)
def test_wrong_configuration_is_refused_by_name(changes, named):
    message = refusal(config(**changes))
    for part in named:
        assert part in message


def test_what_is_published_comes_over_an_encrypted_channel():
    sources = CONFIG["downloads"]["sources"].values()
    assert all(url.startswith("https://") for url in (*sources, CONFIG["vocaset"]["url"], syncnet.URL))
    entry = CONFIG["downloads"]["files"]["syncnet_v2.model"]
    assert CONFIG["downloads"]["sources"][entry["source"]] + entry["path"] == syncnet.URL


def test_every_fault_is_named_at_once():
    message = refusal(config(said={"epochs": 0, "los": "l1"}, sampling={"step": 3}))
    assert "said.epochs" in message and "said.los" in message and "sampling.step" in message


def test_a_deleted_key_is_named():
    changed = config()
    del changed["said"]["loss"]
    del changed["speech_encoder"]["stand_in"]["heads"]
    message = refusal(changed)
    assert "said.loss: missing" in message and "speech_encoder.stand_in.heads: missing" in message


def test_every_key_of_the_schema_is_described():
    def undescribed(node, place):
        for key, value in node.get("properties", {}).items():
            section = (
                value.get("$ref", "").startswith("#/$defs/") and value["$ref"].rsplit("/", 1)[1] in SCHEMA["$defs"]
            )
            described = "description" in value or (
                section and "description" in SCHEMA["$defs"][value["$ref"].rsplit("/", 1)[1]]
            )
            if not described:
                yield f"{place}.{key}"
            yield from undescribed(value, f"{place}.{key}")

    assert [*undescribed(SCHEMA, "")] == []
    for name, definition in SCHEMA["$defs"].items():
        assert [*undescribed(definition, name)] == [] or name == "override_sets"


def test_the_command_line_has_the_last_word():
    """Also where a scale or a preset says otherwise; a variant's own block still holds."""
    told = {"sampling": {"steps": 50}, "said": {"loss": "l2"}, "baselines": {"methods": ["meshtalk"]}}
    changed = merge(config(scale="smoke"), told)
    assert resolve(changed, SCHEMA)["sampling"]["steps"] == 3  # in the file, the scale's
    resolved = resolve(changed, SCHEMA, told)
    assert resolved["sampling"] == resolve(changed, SCHEMA)["sampling"] | {"steps": 50}
    assert resolved["baselines"]["methods"] == ["meshtalk"]
    variants = {**CONFIG["variants"], "mine": {"loss": "l1"}}
    losses = {
        name: one["loss"] for name, one in resolve(changed | {"variants": variants}, SCHEMA, told)["variants"].items()
    }
    assert losses == dict.fromkeys(CONFIG["variants"], "l2") | {"mine": "l1"}


def test_every_path_may_begin_at_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/reader")
    files = dict.fromkeys(("topology", "landmarks", "head", "arkit", "arkit_landmarks"), "~/file")
    resolved = resolve(
        config(
            downloads={"folder": "~/data"}, vocaset={"path": "~/voca", "credentials": "~/secret", **files},
            lipsync={"published": "~/syncnet"}, edits={"mine": {"wav": "~/hello.wav"}},
        ),
        SCHEMA,
    )  # fmt: skip
    vocaset = resolved["vocaset"]
    assert resolved["downloads"]["folder"] == "/home/reader/data" and vocaset["path"] == "/home/reader/voca"
    assert vocaset["credentials"] == "/home/reader/secret" and {vocaset[key] for key in files} == {"/home/reader/file"}
    assert resolved["lipsync"]["published"] == "/home/reader/syncnet"
    assert resolved["edits"]["mine"]["wav"] == "/home/reader/hello.wav"


def test_seeds_differ_by_purpose_and_are_stable():
    assert derive_seed(0, "said") == derive_seed(0, "said") != derive_seed(0, "extractor")
    assert derive_seed(0, "a", "b") != derive_seed(0, "ab") and derive_seed(1, "said") != derive_seed(0, "said")
    assert 0 <= derive_seed(0, "said") < 2**63


@pytest.mark.parametrize(
    ("key", "value"), [("max_step", 0), ("max_step", -0.1), ("max_step", 1e-9), ("ridge", -1e-6), ("solver", "simplex")]
)
def test_settings_of_the_qp_that_make_no_sense_are_refused(key, value):
    assert f"coefficients.{key}" in refusal(config(coefficients={key: value}))
