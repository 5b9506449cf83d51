"""The DAG, without running it."""

import hashlib
import importlib.machinery
import re
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

PAPER = ("--config", "dataset=vocaset", "scale=paper")


def test_the_papers_dag_needs_no_data(workflow):
    jobs = workflow.jobs("all", *PAPER)
    expected = {
        "download_vocaset": 1, "download_published": 11, "inspect_vocaset": 12, "accept_vocaset": 1, "vocaset_faces": 1,
        "vocaset_sequences": 12, "find_correspondence": 12, "transfer_blendshapes": 12,
        "fit_coefficients": 12, "train_extractor": 1, "speech_encoder": 1, "train_said": 5, "sample_said": 5,
        "ground_truth": 2, "evaluate_method": 17, "measure_motion": 17, "table1": 1, "table2": 1, "record_run": 1,
        "published_syncnet": 1, "measure_sync": 136, "join_sync": 17, "prove_sync": 1,
        "train_facial_vq": 1, "train_dual_path": 5, "sample_face": 10,
        "face_in_codes": 2, "measure_face": 8, "headpose_face": 1,
        "published_baseline": 3, "train_baseline": 2, "sample_baseline": 5,
    }  # fmt: skip
    assert {rule: jobs[rule] for rule in expected} == expected
    assert not any("synthetic" in rule or "truth" in rule for rule in set(jobs) - {"ground_truth"})


def test_a_missing_vocaset_is_named_with_the_remedy(workflow):
    missing = ("results/vocaset-paper/downloads/vocaset.json", *PAPER, "vocaset={path: /nowhere/vocaset}")
    done = workflow(*missing, check=False)
    assert done.returncode
    text = done.stdout + done.stderr
    assert "/nowhere/vocaset" in text and "voca.is.tue.mpg.de" in text and "dataset=synthetic" in text


@pytest.mark.parametrize("key", ["topology", "landmarks", "head", "arkit", "arkit_landmarks"])
def test_a_misspelt_file_is_named_before_any_job(workflow, key):
    done = workflow("-n", *PAPER, f"vocaset={{{key}: FLAME_sampel.ply}}", check=False)
    text = done.stdout + done.stderr
    assert done.returncode and f"vocaset.{key}: FLAME_sampel.ply is not there" in text
    assert "did you mean 'FLAME_sample.ply'?" in text and "VOCA_USERNAME" not in text


def test_weights_that_are_not_there_are_named_before_any_job(workflow):
    done = workflow("-n", *PAPER, "lipsync={published: syncnet_v3.model}", check=False)
    assert done.returncode and "lipsync.published: syncnet_v3.model is not there" in done.stdout + done.stderr


def test_weights_of_others_that_are_not_there_are_named_before_any_job(workflow):
    mine = "baselines={codetalker: {published: {predictor: stage_2.pth.tar}}}"
    done = workflow("-n", "results/table1.csv", *PAPER, mine, check=False)
    expected = "baselines.codetalker.published.predictor: stage_2.pth.tar is not there"
    assert done.returncode and expected in done.stdout + done.stderr


def test_floors_and_methods_are_rows_by_a_line_of_the_configuration(workflow):
    asked = ("evaluation={floors: [mean_motion, no_motion]}", "baselines={methods: [end2end]}")
    jobs = workflow.jobs("results/table1.csv", "results/table2.csv", "--config", "scale=demo", *asked)
    assert (jobs["sample_floor"], jobs["train_baseline"], jobs["sample_baseline"]) == (4, 1, 1)
    assert jobs["evaluate_method"] == 1 + 5 + 2 + 1  # ground truth, variants, floors, end2end
    assert "train_baseline" not in workflow.jobs("results/table2.csv")
    assert "train_baseline" not in workflow.jobs("results/table1.csv", "--config", "baselines={methods: []}")


def test_all_that_is_published_can_be_fetched_beforehand(workflow):
    published = yaml.safe_load((ROOT / "config.yaml").read_text())["downloads"]["files"]
    jobs = {"download_vocaset": 1, "download_published": len(published), "downloads": 1}
    assert workflow.jobs("downloads", *PAPER) == jobs


@pytest.mark.parametrize(
    "target",
    [
        "all",
        "dataset",
        "blendvoca",
        "obj",
        "models",
        "tables",
        "figures",
        "learning",
        "headpose_faces",
        "study",
        "results/table2.csv",
    ],  # fmt: skip
)
def test_targets_exist(workflow, target):
    assert workflow.jobs(target)


def test_the_cost_is_recorded_when_all_else_is_done(workflow):
    everything = workflow.jobs("all")
    del everything["all"]
    assert workflow.jobs("results/cost.csv") == everything


def test_learning_trains_its_rows_beside_the_variants(workflow):
    rows = yaml.safe_load((ROOT / "config.yaml").read_text())["learning"]
    jobs = workflow.jobs("learning")
    assert jobs["train_said"] == len(rows) and jobs["learning_table"] == 1 and "sample_said" not in jobs
    assert "learning_table" not in workflow.jobs("all")


def test_a_study_films_its_methods_and_takes_the_users_own(workflow):
    own = workflow.folder / "films/theirs"
    own.mkdir(parents=True)
    (own / "0.mp4").touch()
    (own / "1.mp4").touch()
    parts = "study={part1: {sentences: [0, 1], methods: [base, films/theirs]}, part2: {methods: []}}"
    jobs = workflow.jobs("study", "--config", parts)
    assert (jobs["study_faces"], jobs["study_form"], jobs["study_simulation"]) == (1, 1, 1)
    assert not {"study_heads", "study_analysis"} & jobs.keys() and "study_form" not in workflow.jobs("all")
    (own / "1.mp4").unlink()
    wrong = {
        parts: "study.part1.methods: films/theirs/1.mp4: not there; films/theirs needs a film for each audio",
        parts.replace("films/theirs", "codetalkr"): "codetalkr is no method of this run; did you mean 'codetalker'?",
        parts.replace("base", "my/theirs"): "study.part1.methods: two are called theirs; rename a folder",
    }
    for settings, message in wrong.items():
        done = workflow("-n", "study", "--config", settings, check=False)
        assert done.returncode and message in done.stdout + done.stderr


def test_answers_are_analysed_where_there_are_some(workflow):
    (workflow.folder / "study/answers").mkdir(parents=True)
    (workflow.folder / "study/answers/answers-abcdefgh.json").touch()
    assert workflow.jobs("study")["study_analysis"] == 1


def test_no_variants_of_another_dataset_mix(workflow):
    assert workflow.jobs("results/table2.csv")["train_said"] == 5


@pytest.mark.parametrize(
    ("override", "named"),
    [
        (["scale=dmo"], "did you mean 'demo'"),
        (["said={learnin_rate: 1.0}"], "said.learnin_rate: unknown key; did you mean 'learning_rate'?"),
        (["variants={'../x': {}}"], "not a usable name"),
        (["said={epochs: -1}"], "said.epochs"),
        (["said={learning_rate: .nan}"], "said.learning_rate: nan is not a finite number"),
        (["said={loss: l1, loss: l2}"], "--config: said.loss is there twice"),
        (["evaluation={style_methods: [nobody]}"], "evaluation.style_methods: 'nobody'"),
    ],
)
def test_a_wrong_configuration_stops_before_any_job(workflow, override, named):
    done = workflow("-n", "--config", *override, check=False)
    assert done.returncode and named in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_key_given_twice_is_refused_in_every_file_that_was_read(workflow):
    (workflow.folder / "mine.yaml").write_text("said:\n  epochs: 3\n  epochs: 4\n")
    workflow.edit("config.yaml", "\nvariants:\n  base: {}\n", "\nvariants:\n  base: {}\n  base: {loss: l2}\n")
    done = workflow("-n", "results/table2.csv", "--configfile", "mine.yaml", check=False)
    text = done.stdout + done.stderr
    assert done.returncode and "mine.yaml: said.epochs is there twice, in line 2 and in line 3" in text
    line = 1 + (workflow.folder / "config.yaml").read_text().splitlines().index("  base: {}")
    assert f"config.yaml: variants.base is there twice, in line {line} and in line {line + 1}" in text
    assert "Traceback" not in text


def test_numbers_inside_braces_are_numbers(workflow):
    """To Snakemake all of --config's braces hold text. A second write of the same is no other configuration."""
    target = ("results/synthetic-smoke/said/base/model.safetensors", "--config", "scale=smoke", "seed=3.0")
    assert workflow.jobs(*target, "said={epochs: 3, gradient_clip: null, ema_warmup: false}")["train_said"] == 1


def test_every_rule_logs_and_names_its_environment_and_its_code():
    for path in ROOT.glob("rules/*.smk"):
        for rule in re.split(r"^\s*rule ", path.read_text(), flags=re.M)[1:]:
            name = rule.split(":")[0]
            if "script:" not in rule and "shell:" not in rule:
                continue
            for directive in ("log:", "message:"):
                assert directive in rule, f"{path.name}: rule {name} lacks {directive}"
            if "script:" in rule:
                script = re.search(r'"../scripts/(\w+\.py)"', rule)[1]
                assert f'code=code("{script}")' in rule, f"{path.name}: rule {name} lacks the digest of {script}"
                assert '"../envs/said.yaml"' in rule, f"{path.name}: rule {name} lacks its environment"


def test_every_script_bears_its_rules_name_and_fits_a_screen():
    rules = {}
    for path in ROOT.glob("rules/*.smk"):
        for rule in re.split(r"^\s*rule ", path.read_text(), flags=re.M)[1:]:
            if script := re.search(r'"../scripts/(\w+)\.py"', rule):
                rules.setdefault(script[1], []).append(rule.split(":")[0])
    for script in ROOT.glob("scripts/*.py"):
        assert script.stem in rules, f"{script.name} belongs to no rule"
        assert len(rules[script.stem]) > 1 or rules[script.stem] == [script.stem], (
            f"{script.name}: {rules[script.stem]}"
        )
        assert len(script.read_text().splitlines()) <= 60


def test_environment_agrees_with_the_pins():
    digest = hashlib.sha256((ROOT / "requirements.txt").read_bytes()).hexdigest()
    environment = (ROOT / "envs/said.yaml").read_text()
    assert f"requirements.txt sha256: {digest}" in environment
    assert "-r requirements.txt" in (ROOT / "envs/said.post-deploy.sh").read_text()
    pins = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    assert all(re.fullmatch(r"[\w.-]+==[\w.+]+", pin) for pin in pins)


def test_no_script_shadows_a_package():
    """scripts/ is first on the import path of every job: a script named as a package would be imported in its place."""
    elsewhere = [path for path in sys.path if Path(path or ".").resolve() != ROOT / "scripts"]
    for script in ROOT.glob("scripts/*.py"):
        assert importlib.machinery.PathFinder.find_spec(script.stem, elsewhere) is None, script.name


def test_the_slurm_profile_is_the_paper(workflow):
    assert workflow.jobs("--profile", "slurm", "all") == workflow.jobs("all", *PAPER)


def test_snakemake_has_no_remarks(workflow):
    done = workflow("--lint", check=False)
    assert "Congratulations, your workflow is in a good condition!" in done.stdout + done.stderr, done.stderr
