"""The table of head poses: a row per method, beat scores beside what they are with other speech."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from said.tables import Comparison

RECONSTRUCTION = (
    "A reconstruction from the supplement of “Speech-Driven 3D Facial Animation with Head Pose Using Decoupled Speech "
    "Feature”: its paper was not to be had, so that there are no published numbers to compare with. docs/headpose.md "
    "says what is stated there, what is inferred and what is this project's decision."
)
BEATS = ("beat_response", "beat_alignment", "beat_alignment_truth")
TITLES = {
    "fid": "FID ↓",
    "beat_response": "beat response °",
    "beat_alignment": "beat alignment",
    "beat_alignment_truth": "alignment with the true head",
    "diversity": "diversity °",
    "diversity_audio": "diversity over speech °",
    "speed": "speed → 1",
    "range": "range → 1",
    "jitter": "jitter → 1",
    "nod_correlation": "nods ↑",
    "shake_ratio": "shakes ↑",
    "shake_in_place": "shakes for the word ↑",
    "tilt_auc": "tilts ↑",
}
"""Measures in the order of the columns, with their headings."""
ABOUT = {
    "ground_truth": "the truth",
    "oracle": "other true takes",
    "still": "no motion",
    "shuffled": "the truth of another clip",
    "vq": "the truth in codes",
}
"""What the rows are that need no training."""


def tabulate(measurements: Mapping[str, Mapping]) -> pd.DataFrame:
    """A row per method: each of `TITLES` with the ends of its interval over clips; NaN where there is no value.

    Beat scores have three columns more: `_shuffled`, their mean with other speech, `_spread`, its standard deviation,
    and `_z`. The last columns are the numbers of clips and of samples of each.
    """
    columns = [name for name in TITLES if any(name in measured for measured in measurements.values())]
    return pd.DataFrame([{"method": name} | _row(measured, columns) for name, measured in measurements.items()])


def _row(measured: Mapping, columns: list[str]) -> dict[str, float]:
    row: dict[str, float] = {}
    for name in columns:
        low, high = measured.get(f"{name}_interval") or (np.nan, np.nan)
        row |= {name: _number(measured, name), f"{name}_low": low, f"{name}_high": high}
        if name in BEATS:
            row |= {f"{name}_{key}": _number(measured, f"{name}_{key}") for key in ("shuffled", "spread", "z")}
    return row | {key: int(measured[key]) for key in ("clips", "samples")}


def page(measurements: Mapping[str, Mapping], embedded: bool) -> Comparison:
    """The same as text.

    Args:
        embedded: whether the clips are generated, and the truth about them known.
    """
    columns = {name: title for name, title in TITLES.items() if any(name in one for one in measurements.values())}
    footnotes: list[str] = []
    rows = [
        [method, ABOUT.get(method, ""), *(_cell(measured, name, footnotes) for name in columns)]
        for method, measured in measurements.items()
    ]
    cells = pd.DataFrame(rows, columns=["method", "what it is", *columns.values()])
    return Comparison(cells, footnotes, [RECONSTRUCTION, *_remarks(measurements, embedded)])


def _cell(measured: Mapping, name: str, footnotes: list[str]) -> str:
    value, interval = measured.get(name), measured.get(f"{name}_interval")
    text = "–" if value is None else _rounded(value)
    if value is not None and interval is not None:
        text += f"<br>[{_ends(interval)}]"
    if value is not None and measured.get(f"{name}_shuffled") is not None:
        z = measured.get(f"{name}_z")
        text += f"<br>else {_rounded(measured[f'{name}_shuffled'])}" + (f", z {z:.1f}" if z is not None else "")
    if (note := measured.get("notes", {}).get(name)) is not None:
        footnotes += [note] * (note not in footnotes)
        text += f" <sup>{footnotes.index(note) + 1}</sup>"
    return text


def _ends(interval: list[float]) -> str:
    return ", ".join(map(_rounded, interval))


def _rounded(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"  # no -0.00


def _remarks(measurements: Mapping[str, Mapping], embedded: bool) -> list[str]:
    clips = sorted({int(measured["clips"]) for measured in measurements.values()})
    remarks = [
        f"{' and '.join(map(str, clips))} test clips of 8 s; in brackets 95 % intervals over them, by the jackknife.",
        "Any lively head has beats near those of any speech: each beat score stands above its mean with the speech of "
        "up to 19 other clips (“else”), and z says by how many of their standard deviations it is higher. Beat "
        "response is how far the head dips, in degrees, at the loudest third of the speech's beats; it is the best of "
        "these witnesses.",
        "FID sees how poses are distributed, neither what was said nor a little jitter: a head that moves well to the "
        "wrong speech has a low one. It is biased upwards by few clips.",
        "Diversity: mean angle between samples of the same speech, and of different speech. Speed, range and jitter "
        "are shares of the truth's.",
    ]
    if embedded:
        remarks.append(
            "The speech is synthetic and the heads are generated, so that the truth is known: nods are the correlation "
            "of the pitch with the mean of five true takes; shakes, the energy of yaw at “never” over that elsewhere; "
            "shakes for the word, the same over that at the same place of sentences without it, 1 by chance: the place "
            "can be known without a word being understood; tilts, how often a question is tilted further to the "
            "speaker's side than a statement, .5 by chance. All of it says what the system learns of this generator, "
            "nothing of people."
        )
    return remarks


def _number(measured: Mapping, name: str) -> float:
    value = measured.get(name)
    return np.nan if value is None else float(value)
