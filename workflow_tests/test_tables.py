"""The tables: their contents, which numbers are highlighted, and what they say about missing ones."""

import re

import numpy as np
import pandas as pd
import pytest

from said.tables import PAPER_TABLE1, PAPER_TABLE2, beyond_page, compare, join, tabulate, tabulate_beyond
from said.workflow import record

ROW = {"multimodality": 2.0, "fd": 8.5, "wind_mean": 12.0, "wind_std": 0.25, "notes": {}}
LIPSYNC = {"av_offset": -1.0, "av_confidence": 5.0, "weights": "published"}


def cells(text):
    """Rows of a Markdown table as lists of cells."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def lines_of(text, name):
    """What the rows under `name` hold, by their kind: this run, paper, difference."""
    found, inside = {}, False
    for row in cells(text)[2:]:
        inside = row[0] == name or (inside and not row[0])
        if inside:
            found[row[1]] = row[2:]
    return found


def test_the_table_has_exactly_its_columns():
    measured = join([("base", ROW), ("other", ROW), ("base", LIPSYNC), ("other", LIPSYNC)])
    table = tabulate(measured, "variant")
    assert list(table) == [
        "variant", "av_offset", "av_confidence", "multimodality", "fd", "wind_mean", "wind_std"
    ]  # fmt: skip
    assert list(table["variant"]) == ["base", "other"]
    assert table.iloc[0, 1:].tolist() == [-1.0, 5.0, 2.0, 8.5, 12.0, 0.25]


def test_columns_nobody_measured_are_left_out_and_missing_numbers_are_empty():
    table = tabulate(join([("base", ROW | {"fd": None}), ("other", ROW)]), "variant")
    assert list(table) == ["variant", "multimodality", "fd", "wind_mean", "wind_std"]
    assert np.isnan(table["fd"][0]) and table["fd"][1] == 8.5


def test_a_number_measured_twice_is_refused():
    with pytest.raises(ValueError, match="base: fd measured twice"):
        join([("base", ROW), ("base", {"fd": 1.0})])


@pytest.mark.parametrize(
    ("label", "paper", "expected"),
    [
        ("method", PAPER_TABLE1, {
            "SAiD": ["**-1.025**", "**5.575**", "**3.817**", "**6.791**", "<u>10.344 ± 0.127</u>"],
            "VOCA + QP": ["<u>-0.891</u>", "3.117", "<u>2.899</u>", "45.555", "52.403 ± 0.402"],
            "FaceFormer + QP": ["-0.723", "<u>5.346</u>", "2.490", "10.265", "14.102 ± 0.080"],
            "CodeTalker + QP": ["-1.476", "5.256", "1.407", "<u>6.862</u>", "**9.813 ± 0.067**"],
            "ground_truth": ["-1.038", "4.874", "–", "0.000", "1.120 ± 0.450"],
        }),
        ("variant", PAPER_TABLE2, {
            "base": ["**-1.025**", "**5.575**", "<u>3.817</u>", "<u>6.791</u>", "<u>10.344 ± 0.127</u>"],
            "squared_error": ["-1.012", "5.279", "3.772", "**6.601**", "**9.653 ± 0.064**"],
            "no_velocity": ["<u>-1.021</u>", "5.476", "3.736", "7.279", "10.995 ± 0.089"],
            "no_alignment_bias": ["0.157", "1.646", "**6.951**", "64.060", "69.470 ± 0.183"],
            "finetuned_encoder": ["-1.015", "<u>5.498</u>", "2.736", "10.177", "14.723 ± 0.174"],
        }),
    ],
)  # fmt: skip
def test_the_papers_own_emphasis_comes_out(label, paper, expected):
    text = compare(join([("base", ROW)]), label, {}, None, "vocaset").markdown()
    assert {name: lines_of(text, name)["paper"] for name in expected} == expected
    assert all(name in text for name in paper)


def test_differences_are_shown_for_the_papers_data_alone():
    measured = join([("base", ROW), ("base", LIPSYNC)])
    shown = lines_of(compare(measured, "variant", {}, None, "vocaset").markdown(), "base")
    assert shown["difference"] == ["+0.025", "-0.575", "-1.817", "+1.709", "+1.656"]
    other = compare(measured, "variant", {}, None, "synthetic").markdown()
    assert "difference" not in lines_of(other, "base")
    assert "for the order of the variants only" in other and "weights: published" in other


def test_the_offset_that_is_best_is_the_one_nearest_the_truths():
    measured = join([("a", LIPSYNC | {"av_offset": 0.5}), ("b", LIPSYNC | {"av_offset": 3.0})])
    near = compare(measured, "variant", {}, {"av_offset": 2.5}, "synthetic").markdown()
    assert lines_of(near, "b")["this run"][0] == "**3.000**" and lines_of(near, "a")["this run"][0] == "<u>0.500</u>"
    unknown = compare(measured, "variant", {}, None, "synthetic").markdown()
    assert lines_of(unknown, "b")["this run"][0] == "3.000"


def test_a_cell_that_could_not_be_computed_says_why_and_once():
    broken = ROW | {"fd": None, "wind_mean": None, "notes": {"fd": "no finite sample", "wind": "no finite sample"}}
    comparison = compare(join([("base", broken), ("x", ROW)]), "variant", {}, None, "synthetic")
    shown = lines_of(comparison.markdown(), "base")["this run"]
    assert shown[3:] == ["– <sup>1</sup>", "– <sup>1</sup>"]
    assert comparison.markdown().count("no finite sample") == 1
    assert "no finite sample" in comparison.html() and "Not measured in this run: AV offset" in comparison.html()


def test_a_row_of_another_name_in_the_paper_stands_beside_it():
    text = compare(join([("base", ROW)]), "method", {"base": "SAiD"}, None, "synthetic").markdown()
    assert set(lines_of(text, "SAiD")) == {"this run", "paper"}
    assert not re.search(r"^\| base ", text, re.M)


def test_beyond_the_paper_is_in_long_form_and_says_what_is_missing():
    measured = join(
        [
            ("base", {"lip": 2.0, "lip_interval": [1.5, 2.5], "notes": {}}),
            ("still", {"lip": None, "lip_interval": None, "notes": {"lip": "no value for 2 of 2 clips"}}),
        ]
    )
    table = tabulate_beyond(measured, ["lip"], {"base": ["base"], "still": ["still"]})
    assert table.iloc[0, :5].to_dict() == {"variant": "base", "measure": "lip", "value": 2.0, "low": 1.5, "high": 2.5}
    assert list(table)[5:] == ["seeds", "seeds_mean", "seeds_low", "seeds_high"]
    assert table.iloc[:, 5:].isna().all(axis=None)  # one training each
    page = beyond_page(table, measured).html()
    assert re.findall("<th>(.*?)</th>", page) == ["variant", "lip"]
    assert "2.000 [1.500, 2.500]" in page and "still, lip: no value for 2 of 2 clips" in page
    assert "seeds" not in page


def test_a_variant_with_several_seeds_has_one_row_and_its_mean():
    fds = {"base": 3.0, "base_seed1": 5.0, "other": 4.0, "other_seed1": None, "ground_truth": 0.0}
    records = [(name, {"fd": fd, "wind_mean": 1.0, "fd_interval": None}) for name, fd in fds.items()]
    measured = join([*records, ("other_seed1", {"notes": {"fd": "no finite sample"}})])
    trainings = {"base": ["base", "base_seed1"], "other": ["other", "other_seed1"]}
    table = tabulate_beyond(measured, ["fd", "wind_mean"], trainings)
    assert list(table["variant"]) == ["base", "other", "ground_truth"] * 2
    base, other, truth = (table.iloc[row] for row in range(3))
    assert (base["value"], base["seeds"], base["seeds_mean"]) == (3.0, 2, 4.0)
    half = np.tan(0.475 * np.pi)  # Student's quantile at one degree of freedom, times the standard error of 3 and 5
    assert (base["seeds_low"], base["seeds_high"]) == pytest.approx(
        (0, 4 + half)
    )  # 4 - half, but no distance is below 0
    assert other["seeds"] == 2 and np.isnan([other["seeds_mean"], other["seeds_low"]]).all()  # one has no number
    assert pd.isna(truth["seeds"]) and np.isnan(truth["seeds_mean"])
    page = beyond_page(table, measured).html()
    assert "3.000<br>over 2 seeds: 4.000 [0.000, 16.706]" in page and "1.000 [1.000, 1.000]" in page
    assert "Student" in page and "other_seed1, fd: no finite sample" in page


def test_the_offset_alone_may_be_below_zero():
    measured = join([(name, {"av_offset": offset}) for name, offset in (("base", -1.0), ("base_seed1", -1.2))])
    (row,) = tabulate_beyond(measured, ["av_offset"], {"base": ["base", "base_seed1"]}).to_dict("records")
    assert row["seeds_low"] < row["seeds_mean"] == pytest.approx(-1.1) and row["seeds_low"] < -1.2


def test_costs_are_summed_by_rule_in_the_workflows_order():
    benchmarks = pd.DataFrame(
        {
            "rule": ["train", "fit", "train", "gone"],
            "s": [10.0, 1.0, 20.0, 99.0],
            "cpu_time": [8.0, "NA", 16.0, 1.0],
            "max_rss": [300.0, "NA", 500.0, 1.0],
        }
    )
    costs = record.cost(benchmarks, {"first": ["fit", "unused"], "second": ["train"]})
    assert costs.to_numpy().tolist() == [
        ["first", "fit", 1, 1.0, 0.0, 0.0],
        ["second", "train", 2, 30.0, 24.0, 500.0],
        ["total", "", 3, 31.0, 24.0, 500.0],
    ]


def test_the_record_names_versions_and_configuration():
    software = record.versions("# pins\nnumpy==1.0\nno-such-package==2.0\n")
    assert software["numpy"] == np.__version__ and software["no-such-package"] == "not installed"
    costs = record.cost(pd.DataFrame({"rule": ["a"], "s": [90.0], "cpu_time": [60.0], "max_rss": [1.0]}), {"x": ["a"]})
    config = {"dataset": "synthetic", "scale": "demo", "preset": "paper", "seed": 0, "said": {"loss": "<l1>"}}
    page = record.record_page(config, costs, software)
    assert "1 jobs, 2 min of job time, 1 min of CPU time" in page and "loss: &lt;l1&gt;" in page
