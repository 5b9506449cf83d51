"""The analysis of a study: from answers to a table of numbers and a page that reads them."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from said.files.pages import page
from said.study import measures
from said.study.answers import Answers, missing
from said.study.key import Key
from said.study.questions import QUESTIONS, asked

COLUMNS = ("question", "statistic", "method", "other", "participants", "value", "low", "high", "p", "p_holm")
"""Of the table. `statistic` is

* mean_opinion: of a method, with its 95 % interval;
* friedman, kendall_w: over all methods;
* difference: of two methods' mean opinions, with p of Wilcoxon's test;
* krippendorff_alpha: the participants' agreement;
* order_effect: change of a rating from one position to the next, with its 95 % interval.
"""


@dataclass(frozen=True)
class Scores:
    """The ratings of a question.

    Attributes:
        methods: M of them.
        ratings: (P, items), NaN where there is none.
        positions: (P, items) at which the items were shown; NaN where they were not rated.
        method_of: (items,) number of each one's method.
    """

    methods: Sequence[str]
    ratings: NDArray
    positions: NDArray
    method_of: NDArray

    def means(self) -> NDArray[np.float64]:
        """(P, M) each participant's mean for each method, over the audios that were rated; NaN for none."""
        means = np.full((len(self.ratings), len(self.methods)), np.nan)
        for method in range(len(self.methods)):
            rated = self.ratings[:, self.method_of == method]
            known = np.isfinite(rated)
            count = known.sum(1)
            means[:, method] = np.where(count > 0, np.where(known, rated, 0).sum(1) / np.maximum(count, 1), np.nan)
        return means


def scores(answers: Sequence[Answers], key: Key) -> dict[str, Scores]:
    """The ratings by question, of those that the study asks."""
    found = {}
    for part in (1, 2):
        items = [name for name, item in key.items.items() if item.part == part]
        methods = key.methods(part)
        columns = {name: column for column, name in enumerate(items)}
        method_of = np.array([methods.index(key.items[name].method) for name in items], int)
        for question in asked(part) if items else ():
            table = np.full((2, len(answers), len(items)), np.nan)
            for row, given in enumerate(answers):
                for rating in given.ratings:
                    if rating.question == question:
                        table[:, row, columns[rating.item]] = rating.rating, rating.position
            found[question] = Scores(methods, table[0], table[1], method_of)
    return found


def tabulate(found: Mapping[str, Scores]) -> pd.DataFrame:
    """All that `said.study.measures` says of the ratings, a row each, in the columns `COLUMNS`."""
    rows: list[dict] = []
    for question, given in found.items():

        def add(statistic: str, question: str = question, **cells: object) -> None:
            rows.append({"question": question, "statistic": statistic, **cells})

        means = given.means()
        whole = measures.complete(means)
        for method, one in zip(given.methods, measures.opinions(means), strict=True):
            add("mean_opinion", method=method, participants=one.count, value=one.mean, low=one.low, high=one.high)
        test = measures.friedman(whole)
        add("friedman", participants=test.count, value=test.statistic, p=test.p)
        add("kendall_w", participants=test.count, value=test.concordance)
        for pair in measures.pairs(whole) if len(whole) else ():
            names = {"method": given.methods[pair.first], "other": given.methods[pair.second]}
            add("difference", **names, participants=pair.count, value=pair.difference, p=pair.p, p_holm=pair.corrected)
        add("krippendorff_alpha", participants=len(given.ratings), value=measures.agreement(given.ratings))
        effect = measures.order_effect(given.ratings, given.positions)
        add("order_effect", participants=effect.count, value=effect.mean, low=effect.low, high=effect.high)
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"participants": "Int64"})


def report(
    table: pd.DataFrame,
    answers: Sequence[Answers],
    key: Key,
    provenance: Mapping[str, object],
    simulated: bool = False,
    proof: Mapping[str, float] | None = None,
) -> str:
    """The table as an HTML page, with who answered, and who did not answer everything.

    Args:
        simulated: the answers are drawn, not given: the page says so first and last.
        proof: what `said.study.simulation.prove` found.
    """
    incomplete = {given: missing(given, key) for given in answers if missing(given, key)}
    banner = f"<h1>SIMULATED: no person gave these answers</h1><p>{_SIMULATED}</p>" if simulated else ""
    parts = [banner, f"<h1>User study</h1><p>{len(answers)} participants, study {key.study}, order {key.order}.</p>"]
    if incomplete:
        lines = "".join(
            f"<li>{html.escape(given.source)}: {given.participant} lacks {count} of {len(key.expected())} ratings</li>"
            for given, count in incomplete.items()
        )
        parts.append(
            "<p>Not complete: in mean opinions and agreement as far as they go, and in no test of a question of "
            f"which they lack a method:</p><ul>{lines}</ul>"
        )
    parts += [_question(name, table[table["question"] == name]) for name in dict.fromkeys(table["question"])]
    if proof is not None:
        lines = "".join(
            f"<tr><td>{PROOF[name]}</td><td></td><td>{value:.4g}</td></tr>" for name, value in proof.items()
        )
        parts.append(f"<h2>What the analysis finds of what is known</h2><table>{lines}</table>")
    return page("\n".join([*parts, banner]), provenance)


PROOF = {
    "coverage": "95 % intervals that hold the true mean opinion: .95",
    "order_tau": "Kendall's tau between the order found and the true one",
    "best_found": "studies in which the best method comes first",
    "false_alarms": "studies of equal methods in which Friedman's p is below .05: .05",
    "family_errors": "studies of equal methods in which a pair differs: .05 at most",
    "draws": "studies",
}
"""What `said.study.simulation.prove` finds, and what it should be."""
_SIMULATED = (
    "Drawn from a model with known mean opinions, to show that the analysis finds them. It says nothing of any method."
)
_NOTE = (
    "Mean opinion of each participant's means, with Student's 95 % interval over participants. Differences: p of "
    "Wilcoxon's signed-rank test, then corrected for their number (Holm)."
)


def _rows(table: Any) -> list[Any]:
    """The rows, whose cells are attributes by the names of the columns."""
    return list(table.itertuples())


def _question(name: str, rows: Any) -> str:
    one = {row.statistic: row for row in _rows(rows)}
    opinions = rows[rows["statistic"] == "mean_opinion"].sort_values("value", ascending=False, kind="stable")
    differences = rows[rows["statistic"] == "difference"]
    lines = [f"<h2>{html.escape(QUESTIONS[name].title)}</h2>", f"<p>{_NOTE}</p>"]
    cells = "".join(
        f"<tr><td>{html.escape(row.method)}</td><td></td><td>{_number(row.value)}</td>"
        f"<td>{_interval(row)}</td><td>{row.participants}</td></tr>"
        for row in _rows(opinions)
    )
    head = "<th>method</th><th></th><th>mean opinion</th><th>95 %</th><th>participants</th>"
    lines.append(f"<table><thead><tr>{head}</tr></thead>{cells}</table>")
    friedman, concordance = one["friedman"], one["kendall_w"]
    alpha, effect = one["krippendorff_alpha"], one["order_effect"]
    lines.append(
        f"<p>Friedman over {friedman.participants} complete participants: χ² = {_number(friedman.value)}, "
        f"p {_probability(friedman.p, '= ')}; Kendall's W = {_number(concordance.value)}. "
        f"Krippendorff's α (ordinal) = {_number(alpha.value)}. "
        f"Order effect: {_number(effect.value, 3)} {_interval(effect, 3)} a position.</p>"
    )
    if len(differences):
        cells = "".join(
            f"<tr><td>{html.escape(row.method)}</td><td>{html.escape(row.other)}</td>"
            f"<td>{_number(row.value)}</td><td>{_probability(row.p)}</td><td>{_probability(row.p_holm)}</td></tr>"
            for row in _rows(differences)
        )
        head = "<th>method</th><th>less</th><th>difference</th><th>p</th><th>p, Holm</th>"
        lines.append(f"<table><thead><tr>{head}</tr></thead>{cells}</table>")
    return "\n".join(lines)


def _number(value: float, digits: int = 2) -> str:
    return "–" if pd.isna(value) else f"{value:.{digits}f}"


def _probability(value: float, equals: str = "") -> str:
    return "< 0.0001" if value < 0.0001 else f"{equals}{_number(value, 4)}"


def _interval(row: object, digits: int = 2) -> str:
    low, high = getattr(row, "low", np.nan), getattr(row, "high", np.nan)
    return "" if pd.isna(low) else f"[{low:.{digits}f}, {high:.{digits}f}]"
