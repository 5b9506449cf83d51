"""The tables of the paper, from the measurements of each method, beside the paper's own numbers."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from said.files.pages import page
from said.files.provenance import run_line
from said.intervals import jackknife_interval

COLUMNS = ("av_offset", "av_confidence", "multimodality", "fd", "wind_mean", "wind_std")
"""Columns of Tables 1 and 2, in the paper's order."""


@dataclass(frozen=True)
class Metric:
    """A metric as the paper prints it.

    Attributes:
        column: its column of the CSV, and its name in notes.
        title: its heading, with the paper's arrow.
        better: higher, lower, or truth: the closer to the ground truth, the better.
        spread: column of the standard deviation that is printed after it.
    """

    column: str
    title: str
    better: str
    spread: str | None = None


METRICS = (
    Metric("av_offset", "AV offset →", "truth"),
    Metric("av_confidence", "AV confidence ↑", "higher"),
    Metric("multimodality", "multimodality ↑", "higher"),
    Metric("fd", "FD ↓", "lower"),
    Metric("wind_mean", "WInD ↓", "lower", "wind_std"),
)


def _paper(*values: float | None) -> dict[str, float | None]:
    return dict(zip(COLUMNS, values, strict=True))


PAPER_TRUTH = _paper(-1.038, 4.874, None, 0.000, 1.120, 0.450)
PAPER_SAID = _paper(-1.025, 5.575, 3.817, 6.791, 10.344, 0.127)

PAPER_TABLE1 = {
    "ground_truth": PAPER_TRUTH,
    "SAiD": PAPER_SAID,
    "end2end_AU_speech": _paper(0.785, 0.887, 0.000, 12.307, 14.070, 0.076),
    "VOCA + QP": _paper(-0.891, 3.117, 2.899, 45.555, 52.403, 0.402),
    "MeshTalk + QP": _paper(-1.532, 4.425, 0.000, 11.106, 13.161, 0.046),
    "FaceFormer + QP": _paper(-0.723, 5.346, 2.490, 10.265, 14.102, 0.080),
    "CodeTalker + QP": _paper(-1.476, 5.256, 1.407, 6.862, 9.813, 0.067),
}
"""Table 1 of the paper."""

PAPER_TABLE2 = {
    "base": PAPER_SAID,
    "squared_error": _paper(-1.012, 5.279, 3.772, 6.601, 9.653, 0.064),
    "no_velocity": _paper(-1.021, 5.476, 3.736, 7.279, 10.995, 0.089),
    "no_alignment_bias": _paper(0.157, 1.646, 6.951, 64.060, 69.470, 0.183),
    "finetuned_encoder": _paper(-1.015, 5.498, 2.736, 10.177, 14.723, 0.174),
}
"""Table 2 of the paper, its rows named as the variants of config.yaml."""

PAPER_TABLES = {"method": PAPER_TABLE1, "variant": PAPER_TABLE2}
"""The tables by what their rows are."""

TRUTH = "ground_truth"


def join(measurements: Iterable[tuple[str, Mapping]]) -> dict[str, dict]:
    """Join the measurements of each method into a single record, with the notes of all of them.

    Args:
        measurements: the name of a method and a part of its measurements; a method may have several parts.

    Raises:
        ValueError: two parts of a method have a key in common.
    """
    methods: dict[str, dict] = {}
    for name, part in measurements:
        method = methods.setdefault(name, {"notes": {}})
        duplicates = method.keys() & part.keys() - {"notes"}
        if duplicates:
            raise ValueError(f"{name}: {', '.join(sorted(duplicates))} measured twice")
        notes = method["notes"] | part.get("notes", {})
        method.update(part, notes=notes)
    return methods


def tabulate(measurements: Mapping[str, Mapping], label: str) -> pd.DataFrame:
    """One row per method, in the given order: its name under `label`, and those of `COLUMNS` that were measured.

    NaN stands for what could not be computed.
    """
    columns = [column for column in COLUMNS if any(column in measured for measured in measurements.values())]
    rows = [[name, *(_number(measured, column) for column in columns)] for name, measured in measurements.items()]
    return pd.DataFrame(rows, columns=[label, *columns])


@dataclass(frozen=True)
class Comparison:
    """A table beside the paper's, as text.

    Attributes:
        cells: rows of text, with the best values between ** and the second best between <u> and </u>.
        footnotes: numbered from 1 in the cells.
        remarks: sentences about the whole table.
    """

    cells: pd.DataFrame
    footnotes: list[str]
    remarks: list[str]

    def markdown(self, provenance: Mapping[str, object] | None = None) -> str:
        """The table with its remarks, its footnotes and the run that it comes from, see `said.files.provenance`."""
        lines = [list(self.cells), ["---"] * 2 + ["---:"] * (self.cells.shape[1] - 2), *self.cells.to_numpy().tolist()]
        text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        origin = [run_line(provenance)] if provenance else []
        return "\n\n".join([text, *self.remarks, *self._numbered(), *origin]) + "\n"

    def html(self, provenance: Mapping[str, object] | None = None) -> str:
        """The same as an HTML page."""
        table = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", self.cells.to_html(escape=False, index=False, border=0))
        notes = "".join(f"<p>{line}</p>" for line in [*self.remarks, *self._numbered()])
        return page(table + notes, provenance)

    def _numbered(self) -> list[str]:
        return [f"<sup>{number}</sup> {note}" for number, note in enumerate(self.footnotes, start=1)]


def compare(
    measurements: Mapping[str, Mapping], label: str, names: Mapping[str, str], truth: Mapping | None, dataset: str
) -> Comparison:
    """Measurements beside the paper's numbers.

    Args:
        measurements: per method, as `join` gives them; notes explain the numbers that are None.
        label: what the rows are: method (Table 1) or variant (Table 2).
        names: the paper's names of the rows that have another name in this run.
        truth: measurements of the ground truth, to which the AV offset should be close; None where there are none.
        dataset: of this run. Differences from the paper are given for the paper's data set alone.
    """
    paper = PAPER_TABLES[label]
    same_data = dataset == "vocaset"
    measured_as = {names.get(name, name): measured for name, measured in measurements.items()}
    rows = [*measured_as, *(name for name in paper if name not in measured_as)]
    footnotes: list[str] = []
    marks = {"run": _marks(measured_as, truth), "paper": _marks(paper, PAPER_TRUTH)}
    lines = []
    for row in rows:
        groups = []
        if row in measured_as:
            groups.append(
                ("this run", [_noted(row, measured_as[row], metric, marks["run"], footnotes) for metric in METRICS])
            )
        if row in paper:
            groups.append(("paper", [_marked(row, paper[row], metric, marks["paper"]) for metric in METRICS]))
        if row in measured_as and row in paper and same_data:
            groups.append(("difference", [_difference(measured_as[row], paper[row], metric) for metric in METRICS]))
        lines += [[row if first == 0 else "", kind, *cells] for first, (kind, cells) in enumerate(groups)]
    remarks = ["Bold: best. Underlined: second best, each among its own. ± standard deviation of repeated fits."]
    if not same_data:
        remarks.append(
            f"This run is of the dataset {dataset}, the paper's of VOCASET: its rows are shown for the order of the "
            "variants only; no number can be compared."
        )
    weights = sorted({str(measured["weights"]) for measured in measurements.values() if "weights" in measured})
    if weights:
        remarks.append(f"AV offset and confidence of this run by SyncNet with the weights: {'; '.join(weights)}.")
    absent = [metric.title for metric in METRICS if all(metric.column not in m for m in measurements.values())]
    if absent:
        remarks.append(f"Not measured in this run: {', '.join(title[:-2] for title in absent)}.")
    header = [label, "", *(metric.title for metric in METRICS)]
    return Comparison(pd.DataFrame(lines, columns=header), footnotes, remarks)


def tabulate_truth(
    measurements: Mapping[str, Mapping], correlations: Mapping[str, Mapping[str, float]], jitter: Mapping[str, float],
    blendshapes: Iterable[str],
) -> pd.DataFrame:  # fmt: skip
    """How close each method is to the truth, where a corpus has one: a row per method.

    Args:
        measurements: per method, as `said.evaluation.evaluate_method` gives them.
        correlations: with the true coefficients, per method and blendshape.
        jitter: per method, relative to that of the truth.
        blendshapes: those that have a column; the mean is over all 32.
    """
    rows = []
    for name, measured in measurements.items():
        chosen = {f"correlation_{blendshape}": correlations[name][blendshape] for blendshape in blendshapes}
        mean = float(np.nanmean(list(correlations[name].values())))
        rows.append(
            {"variant": name, "fd": _number(measured, "fd")}
            | chosen
            | {"correlation_mean": mean, "jitter": jitter[name]}
        )
    return pd.DataFrame(rows)


def tabulate_beyond(
    measurements: Mapping[str, Mapping], measures: Iterable[str], trainings: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """Measures that the paper does not report, in long form.

    Args:
        measurements: per method, each measure a number or None, and `<measure>_interval`, its 95 % interval over clips
            or None, where there is one.
        measures: in the order of the rows.
        trainings: per variant, the names of its trainings; the first stands for the variant, the others have no row.

    Returns:
        the columns variant, measure, value, and low and high, the ends of the interval over clips. Where a variant has
        several trainings, seeds is their number, seeds_mean their mean, and seeds_low and seeds_high its 95 % interval.
        What is missing is NaN; so are these three where a training has no value.
    """
    others = {name for names in trainings.values() for name in names[1:]}
    rows = []
    for measure in measures:
        for name, measured in measurements.items():
            if name not in others:
                low, high = measured.get(f"{measure}_interval") or (np.nan, np.nan)
                over_seeds = [_number(measurements[training], measure) for training in trainings.get(name, ())]
                rows.append((name, measure, _number(measured, measure), low, high, *_over_seeds(measure, over_seeds)))
    columns = ["variant", "measure", "value", "low", "high", "seeds", "seeds_mean", "seeds_low", "seeds_high"]
    return pd.DataFrame(rows, columns=columns).astype({"seeds": "Int64"})


def _over_seeds(measure: str, values: Sequence[float]) -> tuple[float, ...]:
    """Number, mean and interval of the values of several trainings; NaN for fewer than two."""
    if len(values) < 2:
        return (np.nan,) * 4
    lowest = -np.inf if measure == "av_offset" else 0.0
    low, high = jackknife_interval(np.mean, values, lowest=lowest) or (np.nan, np.nan)
    return len(values), float(np.mean(values)), low, high


def beyond_page(table: pd.DataFrame, measurements: Mapping[str, Mapping]) -> Comparison:
    """The table of `tabulate_beyond` with a row per method, and the reasons for what is missing."""
    text = [_with_intervals(row) for row in table.itertuples()]
    wide = table.assign(text=text).pivot(index="variant", columns="measure", values="text")
    wide = wide.loc[list(dict.fromkeys(table["variant"])), list(dict.fromkeys(table["measure"]))]
    notes = [
        f"{name}, {key}: {note}"
        for name, measured in measurements.items()
        for key, note in measured["notes"].items()
        if any(measure.startswith(key) for measure in wide)
    ]
    remarks = ["In brackets: 95 % intervals over the test clips, by the jackknife."]
    if any(pd.notna(seeds) for seeds in table["seeds"]):
        remarks.append("Over seeds: mean over trainings, in brackets its 95 % interval, Student's t.")
    return Comparison(wide.rename_axis(columns=None).reset_index(), [], remarks + notes)


def _with_intervals(row: Any) -> str:
    """A number with its interval over clips and, on a second line, that over seeds where there is one."""
    text = _number_in(row.value, row.low, row.high)
    if pd.isna(row.seeds):
        return text
    return f"{text}<br>over {row.seeds} seeds: {_number_in(row.seeds_mean, row.seeds_low, row.seeds_high)}"


def _number_in(value: float, low: float, high: float) -> str:
    if np.isnan(value):
        return "–"
    return f"{value:.3f}" if np.isnan(low) else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _number(measured: Mapping, column: str) -> float:
    value = measured.get(column)
    return np.nan if value is None else float(value)


def _marks(rows: Mapping[str, Mapping], truth: Mapping | None) -> dict[tuple[str, str], str]:
    """How the best and second best row of each metric are marked, the ground truth aside: (row, column) -> pattern."""
    marks = {}
    for metric in METRICS:
        ranks: dict[float, list[str]] = {}
        for row, measured in rows.items():
            rank = _rank(_number(measured, metric.column), metric.better, truth)
            if row != TRUTH and np.isfinite(rank):
                ranks.setdefault(rank, []).append(row)
        for rank, pattern in zip(sorted(ranks), ("**{}**", "<u>{}</u>"), strict=False):
            marks |= {(row, metric.column): pattern for row in ranks[rank]}
    return marks


def _rank(value: float, better: str, truth: Mapping | None) -> float:
    """A number that is the lower the better, rounded to the three decimals that are printed."""
    if better == "truth":
        value = abs(value - _number(truth or {}, "av_offset"))
    return round(-value if better == "higher" else value, 3)


def _marked(row: str, measured: Mapping, metric: Metric, marks: Mapping) -> str:
    value = _number(measured, metric.column)
    if not np.isfinite(value):
        return "–"
    spread = f" ± {_number(measured, metric.spread):.3f}" if metric.spread else ""
    return marks.get((row, metric.column), "{}").format(f"{value:.3f}{spread}")


def _noted(row: str, measured: Mapping, metric: Metric, marks: Mapping, footnotes: list[str]) -> str:
    text = _marked(row, measured, metric, marks)
    note = next((note for key, note in measured["notes"].items() if metric.column.startswith(key)), None)
    if note is None:
        return text
    if note not in footnotes:
        footnotes.append(note)
    return f"{text} <sup>{footnotes.index(note) + 1}</sup>"


def _difference(measured: Mapping, paper: Mapping, metric: Metric) -> str:
    difference = _number(measured, metric.column) - _number(paper, metric.column)
    return f"{difference:+.3f}" if np.isfinite(difference) else "–"
