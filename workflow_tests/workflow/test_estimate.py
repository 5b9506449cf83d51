"""What a dry run says a run will cost."""

import json
import re
from dataclasses import replace

import pytest
import yaml
from conftest import ROOT, SMOKE

from said.workflow import config as settings
from said.workflow import work
from said.workflow.benchmarks import Record, read_benchmarks, read_records, uses_gpu
from said.workflow.estimate import Estimator, Expected, longest_chain, reference_seconds, table
from said.workflow.reference_costs import CPU
from said.workflow.work import Job

HEADER = "s\th:m:s\tmax_rss\tmean_load\tcpu_time"


def resolved(dataset="vocaset", scale="paper"):
    written = yaml.safe_load((ROOT / "config.yaml").read_text()) | {"dataset": dataset, "scale": scale}
    return settings.resolve(written, yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text()))


def training(config, variant="base", **changes):
    params = {"settings": config["variants"][variant] | changes, "device": "auto"}
    return Job("train_said", f"train_said/{variant}", {"variant": variant}, params)


def sampling(config, **changes):
    params = {"settings": config["sampling"] | changes, "device": "auto"}
    return Job("sample_said", "sample_said/base", {"variant": "base"}, params)


def seconds(job, config):
    """Of the work alone."""
    total, idle = reference_seconds(job, config)
    return total - idle


def test_twice_the_epochs_twice_the_time():
    for config in (resolved(), resolved("synthetic", "demo")):
        once, twice = (training(config, epochs=epochs) for epochs in (1000, 2000))
        assert seconds(twice, config) == pytest.approx(2 * seconds(once, config))
        assert seconds(replace(twice, gpu=True), config) == pytest.approx(2 * seconds(replace(once, gpu=True), config))


def test_sampling_is_linear_in_samples_and_steps_and_guidance_doubles_it():
    config = resolved()

    def calls(**changes):
        return work.work(sampling(config, **changes), config)["large call"]

    assert calls() == 2 * 40 * 72 * 1000 * 2  # two test speakers
    assert calls(samples=36) == calls() / 2
    assert calls(steps=25) == calls() / 40
    assert calls(guidance=0.0) == calls() / 2
    # Where guidance 1 switches it off, as the released code does.
    assert calls(guidance=1.0) == 2 * calls(guidance=1.0, guidance_off_at_one=True)


def test_the_papers_steps():
    config = resolved()
    for variant, changes, unit in (
        ("base", {}, "large step"),
        ("base", {"conditioning": "sentence"}, "large encoded step"),
        ("finetuned_encoder", {}, "large finetuned step"),
    ):
        assert work.work(training(config, variant, **changes), config) == {"job": 1, unit: 50000 * 40}
    small = resolved("synthetic", "demo")
    assert work.work(training(small), small) == {"job": 1, "step": 30 * 24}
    assert work.work(training(small, width=192), small) == {"job": 1, "large encoded step": 30 * 24}


@pytest.mark.parametrize(("dataset", "scale"), [("synthetic", "demo"), ("synthetic", "smoke"), ("vocaset", "paper")])
def test_a_job_that_ran_is_expected_to_take_as_long_again(dataset, scale):
    config = resolved(dataset, scale)
    estimate = Estimator(config, [Record(training(config), 100.0), Record(sampling(config), 7.0)])
    assert estimate(training(config)) == Expected(training(config), pytest.approx(100.0), "this run")
    assert estimate(sampling(config)).seconds == pytest.approx(7.0)
    # Another variant of the same work is judged by it.
    assert estimate(training(config, "squared_error")).seconds == pytest.approx(100.0)


def test_a_slower_machine_is_slower_at_every_scale():
    paper, demo = resolved(), resolved("synthetic", "demo")
    done = training(demo)
    slow = Record(done, 3 * reference_seconds(done, demo)[0])
    expected = Estimator(paper, [], {"synthetic-demo": (demo, [slow])})(training(paper))
    assert expected.seconds == pytest.approx(3 * reference_seconds(training(paper), paper)[0])
    assert expected.source == "synthetic-demo, rough"  # its models are smaller
    longer = training(demo, epochs=60)
    expected = Estimator(demo, [slow])(longer)
    assert expected == Expected(longer, pytest.approx(3 * reference_seconds(longer, demo)[0]), "this run, scaled")


def test_a_job_that_only_started_says_nothing_of_a_long_one():
    paper, smoke = resolved(), resolved("synthetic", "smoke")
    started = Record(training(smoke), 60.0)
    assert Estimator(paper, [], {"synthetic-smoke": (smoke, [started])})(training(paper)).source == "shipped, rough"


def test_a_cpu_says_nothing_of_a_gpu():
    config = resolved()
    on_gpu = replace(training(config), gpu=True)
    assert Estimator(config, [Record(training(config), 1.0)])(on_gpu).source == "shipped, rough"
    assert Estimator(config, [Record(on_gpu, 1.0)])(on_gpu).seconds == pytest.approx(1.0)


def test_unknown_rules_are_named_and_known_ones_without_work_cost_their_mean():
    config = resolved()
    never, once = Job("new_rule", "new_rule"), Job("other_rule", "other_rule/b")
    estimate = Estimator(config, [Record(Job("other_rule", "other_rule/a"), 4.0)])
    assert estimate(never).seconds is None
    assert estimate(once).seconds == pytest.approx(4.0)
    text = table([estimate(never), estimate(never), estimate(once)])
    assert "new_rule (2)" in text and "other_rule" in text


def test_every_rule_of_the_reference_exists_and_counts_what_it_has_costs_for():
    rules = "".join(path.read_text() for path in ROOT.glob("rules/*.smk"))
    for rule, costs in CPU.items():
        assert f"rule {rule}:" in rules or f" as {rule} with:" in rules
        assert costs["job"] > 0
    assert work.WORK.keys() <= CPU.keys()


@pytest.mark.parametrize(("dataset", "scale"), [("synthetic", "demo"), ("synthetic", "smoke"), ("vocaset", "paper")])
@pytest.mark.parametrize("gpu", [False, True])
def test_every_unit_has_a_cost(dataset, scale, gpu):
    config = resolved(dataset, scale)
    for variant in config["variants"]:
        assert seconds(replace(training(config, variant), gpu=gpu), config) > 0
    assert seconds(replace(sampling(config), gpu=gpu), config) > 0
    test = config[dataset]["split"]["test"][0]
    for baseline in config["baselines"]["methods"]:
        settings = {"settings": config["baselines"][baseline]}
        asked = {"baseline": baseline, "speaker": test}
        for rule in ("train_baseline", "sample_baseline"):
            assert seconds(Job(rule, rule, asked, settings, gpu=gpu), config) > 0
        assert work.work(Job("measure_motion", "", {"method": baseline}), config)["sequence"] > 0
    wildcards = {"method": "base", "speaker": config[dataset]["split"]["test"][0]}
    for rule, params in {
        "train_extractor": {"settings": config["extractor"]},
        "speech_encoder": {"settings": resolved("synthetic", "demo")["speech_encoder"]},
        "train_syncnet": {"settings": config["lipsync"]},
        "measure_sync": {"samples": None, "parts": 1},
        "prove_sync": {},
        "evaluate_method": {},
        "fit_coefficients": config["coefficients"],
        "edit_said": {"settings": config["sampling"], "entry": {}},
        "train_pose_vq": {"settings": config["headpose"]["pose_vq"]},
        "train_pose_generator": {"settings": config["headpose"]["generator"]},
        "sample_poses": {"sampling": config["headpose"]["sampling"]},
        "train_facial_vq": {"settings": config["headpose"]["facial_vq"]},
        "train_dual_path": {"settings": config["headpose"]["face"]},
        "sample_face": {},
        "measure_face": {},
    }.items():
        assert seconds(Job(rule, rule, wildcards, params, gpu=gpu), config) > 0


def test_longest_chain():
    assert longest_chain({"a": 1.0, "b": 2.0, "c": 4.0, "d": 8.0}, {"c": ["a", "b"], "d": ["b", "done before"]}) == 10
    assert longest_chain({}, {}) == 0


def test_the_table_adds_up():
    jobs = [Job("fit", f"fit/{n}", threads=2) for n in range(3)] + [Job("train", "train", gpu=True)]
    text = table([Expected(job, 3600.0, "this run") for job in jobs], 7200.0)
    cells = {line.split()[0]: line.split()[1:4] for line in text.splitlines()}
    assert cells["fit"] == ["3", "6.0", "-"]
    assert cells["train"] == ["1", "1.0", "1.0"]
    assert cells["total"] == ["4", "7.0", "1.0"]
    assert "2.0 h" in text and "ough" not in text


def test_cheap_rules_share_a_line():
    rules = {"dear": 1000.0, "cheap": 1.0, "cheaper": 0.5, "medium": 20.0}
    text = table([Expected(Job(rule, rule), time, "this run") for rule, time in rules.items()])
    assert [line.split()[0] for line in text.splitlines()[2:]] == ["dear", "medium", "2", "total"]


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def test_benchmarks_are_read_and_damaged_ones_left_out(tmp_path):
    write(tmp_path / "whole.tsv", f"{HEADER}\n1.50\t0:00:01\tNA\tNA\tNA\n2.50\t0:00:02\t7.0\t1.0\t2.0\n")
    write(tmp_path / "train_said/base.tsv", f"{HEADER}\n3.00\t0:00:03\t7.0\t1.0\t2.0\n")
    write(tmp_path / "empty.tsv", "")
    write(tmp_path / "header.tsv", HEADER)
    write(tmp_path / "cut.tsv", f"{HEADER}\n-\t")
    write(tmp_path / "zeros.tsv", b"\0" * 4096)
    write(tmp_path / "noise.tsv", bytes(range(256)) * 9)
    found = [(row["rule"], row["name"], row["s"]) for row in read_benchmarks(tmp_path)]
    assert found == [("train_said", "train_said/base", "3.00"), ("whole", "whole", "1.50"), ("whole", "whole", "2.50")]
    assert read_benchmarks(tmp_path / "nowhere") == []


def test_a_record_has_the_settings_of_its_time_or_else_the_planned_ones(tmp_path):
    settings_then = {"settings": {"epochs": 3}, "device": "auto"}
    extended = f"{HEADER}\twildcards\tparams\tthreads\tresources"
    row = f"3.00\t0:00:03\t7.0\t1.0\t2.0\t{{'variant': 'base'}}\t{settings_then}\t4\t{{'gres': 'gpu:1'}}"
    write(tmp_path / "train_said/base.tsv", f"{extended}\n{row}\n")
    write(tmp_path / "train_said/plain.tsv", f"{HEADER}\n3.00\t0:00:03\t7.0\t1.0\t2.0\n")
    write(tmp_path / "train_said/strange.tsv", f"{extended}\n{row.replace('{', '<')}\n")
    planned = {"train_said/plain": Job("train_said", "train_said/plain", {}, {"settings": {"epochs": 5}})}
    first, second, third = (record.job for record in read_records(tmp_path, planned, gpu_here=False))
    assert first == Job("train_said", "train_said/base", {"variant": "base"}, settings_then, 4, True)
    assert second == planned["train_said/plain"]
    assert third.params == {} and not third.gpu


def test_a_training_that_went_on_took_all_of_its_time(tmp_path):
    checkpoint = tmp_path / "said/base/checkpoint.safetensors"
    write(checkpoint.with_name("history.jsonl"), "".join(json.dumps({"seconds": s}) + "\n" for s in (10.0, 50.0)))
    write(tmp_path / "benchmarks/train_said/base.tsv", f"{HEADER}\n3.00\t0:00:03\t7.0\t1.0\t2.0\n")
    planned = {"train_said/base": Job("train_said", "train_said/base", {}, {"checkpoint": str(checkpoint)})}
    assert [record.seconds for record in read_records(tmp_path / "benchmarks", planned, False)] == [50.0]
    write(checkpoint.with_name("history.jsonl"), "{half a li")
    assert [record.seconds for record in read_records(tmp_path / "benchmarks", planned, False)] == [3.0]


def test_who_uses_a_gpu():
    auto, cpu, cuda = ({"device": device} for device in ("auto", "cpu", "cuda"))
    assert uses_gpu(auto, {"gres": "gpu:1"}, False) and uses_gpu(auto, {"gpu": 1}, False) and uses_gpu(auto, {}, True)
    assert uses_gpu(cuda, {}, False)
    assert not uses_gpu(auto, {"gres": "fast_disk:1", "gpu": 0}, False)
    assert not uses_gpu(cpu, {"gres": "gpu:1"}, True) and not uses_gpu({}, {}, True)


def expected_cost(done) -> dict[str, list[str]]:
    """Cells of the table that ends a dry run, by rule; empty without one."""
    text = done.stdout.partition("\nExpected cost")[2]
    lines = [re.split(r"  +", line) for line in text.splitlines()[1:]]
    return {cells[0]: cells[1:] for cells in lines if len(cells) >= 5}


def test_a_fresh_folder_is_estimated_from_the_reference_after_all_else(workflow):
    done = workflow("-n", "all", *SMOKE)
    cost = expected_cost(done)
    assert cost["train_said"][0] == "5" and cost["train_said"][4] == "shipped, rough"
    assert done.stdout.index("This was a dry-run") < done.stdout.index("Expected cost")
    assert "Traceback" not in done.stdout + done.stderr


def test_the_papers_run_on_slurm_counts_gpus(workflow):
    done = workflow("-n", "--profile", "slurm", "all")
    cost = expected_cost(done)
    assert "squared_error: 2,000,000 steps at a learning rate of 1e-05" in done.stdout.partition("\nExpected cost")[2]
    # Within a factor of two of the table in docs/paper.md.
    for rule, hours in {"train_said": 280, "train_extractor": 22, "sample_said": 3}.items():
        assert hours / 2 < float(cost[rule][2]) < hours * 2
    assert 45 / 2 < float(cost["measure_sync"][1]) < 45 * 2 and cost["measure_sync"][2] == "-"


@pytest.mark.parametrize("arguments", [["--quiet"], ["--quiet", "rules"]])
def test_a_quiet_dry_run_stays_quiet(workflow, arguments):
    assert "Expected cost" not in workflow("-n", "all", *SMOKE, *arguments).stdout


def test_a_dry_run_that_fails_ends_with_its_error(workflow):
    done = workflow("-n", "results/nothing.csv", check=False)
    assert done.returncode and "xpected cost" not in done.stdout + done.stderr


def test_what_an_estimate_stumbles_on_breaks_no_dry_run(workflow):
    (workflow.folder / "results/synthetic-smoke/benchmarks/folder.tsv").mkdir(parents=True)
    done = workflow("-n", "all", *SMOKE)
    assert done.returncode == 0 and "The cost could not be estimated: IsADirectoryError" in done.stdout


def test_nothing_to_do_costs_nothing(smoke):
    assert "xpected cost" not in smoke("-n", "all", *SMOKE).stdout


def test_an_edited_variant_is_expected_to_cost_what_it_did(edited):
    edited.edit("config.yaml", "  squared_error: {loss: l2}", "  squared_error: {loss: l2, dropout: 0.2}")
    cost = expected_cost(edited("-n", "all", *SMOKE))
    rows = read_benchmarks(edited.folder / "results/synthetic-smoke/benchmarks")
    trained = next(float(row["s"]) for row in rows if row["name"] == "train_said/squared_error")
    assert cost["train_said"][4] == "this run"
    assert float(cost["train_said"][1]) == pytest.approx(trained / 60, rel=0.06)  # of two digits


def test_a_longer_training_is_expected_to_cost_more(edited):
    edited.edit("config.yaml", "  squared_error: {loss: l2}", "  squared_error: {loss: l2, epochs: 100000}")
    cost = expected_cost(edited("-n", "all", *SMOKE))
    # Of a training of two steps nothing can be told: 100,000 epochs of a batch each, 56 ms a step on the reference.
    assert cost["train_said"][4] == "shipped, rough"
    assert 1 < float(cost["train_said"][1]) < 4


def test_the_whole_run_again_costs_what_was_recorded(smoke):
    cost = expected_cost(smoke("-n", "--forceall", "all", *SMOKE))
    rows = read_benchmarks(smoke.folder / "results/synthetic-smoke/benchmarks")
    recorded = sum(float(row["s"]) for row in rows)
    assert all(cells[4] == "this run" for name, cells in cost.items() if name not in ("rule", "total"))
    assert int(cost["total"][0]) == len(rows)
    assert float(cost["total"][1]) == pytest.approx(recorded / 60, rel=0.06)
