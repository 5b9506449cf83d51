"""An edit reruns exactly what depends on it."""

from conftest import SMOKE

VARIANTS = 5
# What evaluates and shows one variant, for base and for another.
SHOWN = {"table2": 1, "table2_truth": 1, "tables": 1, "figures": 1, "all": 1}
TARGETS = {"all", "tables", "figures", "dataset", "blendvoca", "obj", "models"}


def jobs(workflow, *arguments):
    return {rule: count for rule, count in workflow.jobs("all", *SMOKE, *arguments).items() if rule not in TARGETS}


def test_finished_run_has_nothing_to_do(smoke):
    assert smoke.jobs("all", *SMOKE) == {}


def test_editing_a_variant_reruns_that_variant_alone(edited):
    edited.edit("config.yaml", "  squared_error: {loss: l2}", "  squared_error: {loss: l2, dropout: 0.2}")
    assert jobs(edited) == {
        "train_said": 1, "sample_said": 1, "evaluate_method": 1, "measure_motion": 1, "measure_sync": 1,
        "table2": 1, "table2_truth": 1, "table2_beyond": 1,
        "plot_training": 1, "comparison_video": 1, "publish_figure": 3, "record_run": 1,
    }  # fmt: skip


def test_adding_a_variant_computes_it_alone(edited):
    edited.edit(
        "config.yaml", "  squared_error: {loss: l2}", "  squared_error: {loss: l2}\n  wide_band: {alignment_bias: 5}"
    )
    assert jobs(edited) == {
        "train_said": 1, "sample_said": 1, "evaluate_method": 1, "measure_motion": 1, "measure_sync": 1,
        "table2": 1, "table2_truth": 1, "table2_beyond": 1,
        "plot_training": 1, "comparison_video": 1, "publish_figure": 3, "record_run": 1,
    }  # fmt: skip


def test_a_variant_of_the_command_line_is_a_further_row_too(edited):
    """It is not the first, which stands for SAiD in Table 1, in figures and in edits."""
    assert jobs(edited, "variants={wide_band: {alignment_bias: 5}}") == {
        "train_said": 1, "sample_said": 1, "evaluate_method": 1, "measure_motion": 1, "measure_sync": 1,
        "table2": 1, "table2_truth": 1, "table2_beyond": 1,
        "plot_training": 1, "comparison_video": 1, "publish_figure": 3, "record_run": 1,
    }  # fmt: skip


def test_rows_in_another_order_are_so_in_every_table(edited):
    one, other = "  squared_error: {loss: l2}\n", "  no_velocity: {velocity_weight: 0.0}\n"
    edited.edit("config.yaml", one + other, other + one)
    assert jobs(edited) == {
        "table2": 1, "table2_truth": 1, "table2_beyond": 1,
        "plot_training": 1, "comparison_video": 1, "publish_figure": 3, "record_run": 1,
    }  # fmt: skip


def test_adding_a_seed_trains_and_measures_it_for_its_intervals_alone(edited):
    edited.edit("config.yaml", "  squared_error: {loss: l2}", "  squared_error: {loss: l2, seeds: [0, 1]}")
    assert jobs(edited) == {
        "train_said": 1, "sample_said": 1, "evaluate_method": 1, "measure_motion": 1, "measure_sync": 1,
        "table2_beyond": 1, "record_run": 1,
    }  # fmt: skip


def test_removing_a_variant_computes_tables_alone(edited):
    edited.edit("config.yaml", "  squared_error: {loss: l2}\n", "")
    assert jobs(edited) == {
        "table2": 1, "table2_truth": 1, "table2_beyond": 1,
        "plot_training": 1, "comparison_video": 1, "publish_figure": 3, "record_run": 1,
    }  # fmt: skip


def test_editing_a_setting_of_the_metrics_retrains_nothing(edited):
    edited.edit(
        "config.yaml", "evaluation: {stride: 4, wind_components: 2", "evaluation: {stride: 4, wind_components: 3"
    )
    tables = {f"table{number}{kind}" for number in (1, 2) for kind in ("", "_beyond", "_truth")}
    assert set(jobs(edited)) == {"evaluate_method", "record_run"} | tables


def test_editing_the_solver_library_reruns_what_follows_from_coefficients(edited):
    path = edited.folder / "scripts/said/coefficients.py"
    path.write_text(path.read_text() + "\nADDED = 1\n")
    rerun = set(jobs(edited))
    assert {
        "fit_coefficients",
        "coefficient_std",
        "train_extractor",
        "train_said",
        "evaluate_method",
        "table2",
    } <= rerun
    assert not rerun & {"synthetic_faces", "synthetic_sequences", "find_correspondence", "speech_encoder"}


def test_comments_docstrings_and_readme_rerun_nothing(edited):
    for name in ("training/said", "coefficients", "model"):
        path = edited.folder / f"scripts/said/{name}.py"
        path.write_text("# A remark.\n" + path.read_text())
    (edited.folder / "README.md").write_text("new words\n")
    for path in edited.folder.glob("rules/*.smk"):
        path.touch()
    for path in edited.folder.glob("scripts/**/*.py"):
        path.touch()
    assert jobs(edited) == {}


def test_adding_a_test_sentence_retrains_nothing(edited):
    edited.edit(
        "config.yaml", "sentences: {train: 2, validation: 1, test: 2}", "sentences: {train: 2, validation: 1, test: 3}"
    )
    assert not set(jobs(edited)) & {"train_said", "train_extractor", "speech_encoder"}


def test_another_scale_does_not_touch_this_one(edited):
    before = {path: path.stat().st_mtime_ns for path in (edited.folder / "results/synthetic-smoke").rglob("*.npz")}
    rules = edited.jobs("all", "--config", "scale=demo")
    assert rules["train_said"] == VARIANTS
    assert before == {path: path.stat().st_mtime_ns for path in before}
