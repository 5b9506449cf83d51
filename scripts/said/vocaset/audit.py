"""The audit: finds what is wrong with a corpus before anything is computed from it.

Every expected sentence is checked: whether it is there, whether its meshes and its speech can be used, and whether they
belong together. Each fault is known of the release, or accepted in the configuration, or refused.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from said.corpus import FRAME_RATE
from said.files.pages import page
from said.running.console import progress
from said.vocaset.defects import DefectError, require_counted, require_finite
from said.vocaset.release import Release

SAMPLE_RATE = 22000
"""Hz, of all speech in the release."""
CHECKS = {
    "missing": "meshes or speech are missing",
    "unreadable": "a file is damaged",
    "frames": "frames are missing within the sentence",
    "topology": "the triangles are not the template's",
    "unit": "the size is not that of a head in metres, or that of a frame not the template's",
    "not_finite": "a coordinate is not finite",
    "empty": "the speech has no samples",
    "first_frames": "frames are missing at the beginning; the speech before them is cut off",
    "frame_rate": "motion and speech do not fit 60 frames per second",
    "length": "motion and speech differ in length",
    "sample_rate": "the speech is not sampled at 22 kHz",
    "silent": "the speech is silent",
    "clipped": "the speech is clipped",
    "unexpected": "no such sentence is known",
}
"""The checks and what they find, gravest first."""
UNUSABLE = ("missing", "unreadable", "frames", "topology", "unit", "not_finite", "empty")
"""Checks whose faults, when accepted, leave the sentence out; with other accepted faults it is used as it is."""
KNOWN = (
    "FaceTalk_170811_03274_TA/sentence24/missing",
    "FaceTalk_170809_00138_TA/sentence32/missing",
    "FaceTalk_170809_00138_TA/sentence26/first_frames",
)
"""Gaps of VOCASET as it was released."""
_HEAD = (0.05, 5.0)  # metres across, generously: a head in millimetres, centimetres or inches is beyond
_USUAL = 0.4  # metres, from corner to corner
_OTHER_HEAD = 3.0  # times the template's size, or its inverse: another unit, since no face changes so much
_UNITS = {1000.0: "millimetres", 100.0: "centimetres", 39.37: "inches", 1.0: "metres"}
_RATE_TOLERANCE = 0.1  # share of 60 frames per second beyond which the rate is wrong, not the length
_SILENCE = 33  # root mean square, of 32768: -60 dB
_CLIPPED_SHARE = 1e-3  # of all samples at full scale
_FULL_SCALE = 2**15 - 1


class AuditError(RuntimeError):
    """The corpus has faults that are neither known nor accepted; the message names each of them."""


@dataclass(frozen=True)
class Finding:
    """One fault.

    Attributes:
        speaker: whose it is.
        sentence: where it is; "template" for the speaker's template.
        check: the check of `CHECKS` that failed.
        detail: what was seen.
    """

    speaker: str
    sentence: str
    check: str
    detail: str

    @property
    def name(self) -> str:
        """Its name in `vocaset.accept`."""
        return f"{self.speaker}/{self.sentence}/{self.check}"


@dataclass(frozen=True)
class Inspection:
    """The inspection of a speaker.

    Attributes:
        speaker: name.
        sentences: by name, for each readable one: frames, seconds of speech, and its loudness (rms of 32768).
        findings: the faults.
    """

    speaker: str
    sentences: dict[str, dict[str, float]]
    findings: list[Finding]

    def to_json(self) -> dict[str, Any]:
        """Plain dicts and lists."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Inspection":
        """The inverse of `to_json`."""
        return cls(value["speaker"], value["sentences"], [Finding(**finding) for finding in value["findings"]])


def inspect(release: Release, speaker: str, expected: int, tolerance: float) -> Inspection:
    """Check everything that a speaker has, with one sentence in memory at a time.

    Args:
        release: the corpus.
        speaker: name.
        expected: number of sentences that the speaker should have, from sentence01 on.
        tolerance: frames by which motion and speech may differ in length.
    """
    inspection = Inspection(speaker, {}, [])

    def add(sentence: str, check: str, detail: str) -> None:
        inspection.findings.append(Finding(speaker, sentence, check, detail))

    size = None
    try:
        template = release.template(speaker)
        require_finite(template[None], f"template of {speaker}")
        size = float(_sizes(template[None])[0])
        _require_head(size, f"template of {speaker}")
    except DefectError as error:
        add("template", error.check, str(error))
    numbers, spoken = release.frame_numbers(speaker), release.spoken(speaker)
    names = [f"sentence{index + 1:02d}" for index in range(expected)]
    there = [*numbers, *sorted({*spoken, *names} - {*numbers})]
    for sentence in progress(there, "sentences"):
        if sentence not in names:
            add(sentence, "unexpected", f"{expected} sentences are expected")
        halves = {"meshes": sentence in numbers, "speech": sentence in spoken}
        if not all(halves.values()):
            add(sentence, "missing", "no " + " and no ".join(half for half, has in halves.items() if not has))
            continue
        try:
            inspection.sentences[sentence], remarks = _look(
                release, speaker, sentence, numbers[sentence], tolerance, size
            )
        except DefectError as error:
            add(sentence, error.check, str(error))
        else:
            for check, detail in remarks:
                add(sentence, check, detail)
    return inspection


def _sizes(frames: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N,) diagonals of the bounding boxes of (N, V, 3) vertices."""
    return np.linalg.norm(np.ptp(np.asarray(frames, dtype=np.float64), axis=1), axis=1)


def _require_head(size: float, name: str) -> None:
    """Raise DefectError if a size is not that of a head in metres."""
    if not _HEAD[0] <= size <= _HEAD[1]:
        raise DefectError("unit", f"{name}: is {size:.4g} m across; are these {_unit(size / _USUAL)}?")


def _require_same_size(frames: NDArray[np.floating], size: float | None, name: str) -> None:
    """Raise DefectError if a frame of (N, V, 3) is not about as large as the template or, without one, as a head."""
    sizes = _sizes(frames)
    if size is None or size == 0:
        odd = int(np.argmax(np.abs(np.log(np.maximum(sizes, 1e-300)))))
        _require_head(float(sizes[odd]), f"{name}: frame {odd + 1}")
        return
    far = (sizes > _OTHER_HEAD * size) | (sizes < size / _OTHER_HEAD)
    if far.any():
        frame = int(np.argmax(far))
        times = sizes[frame] / size
        unit = f"{_unit(times)} beside metres" if times > 1 else f"metres beside {_unit(1 / max(times, 1e-300))}"
        raise DefectError(
            "unit",
            f"{name}: frame {frame + 1} is {times:.4g} times as large as the template; {unit}?",
        )


def _unit(times: float) -> str:
    """The unit of which a metre has about this many."""
    return _UNITS[min(_UNITS, key=lambda count: abs(np.log(times / count)))]


def _look(
    release: Release, speaker: str, sentence: str, numbers: NDArray[np.int64], tolerance: float, size: float | None
) -> tuple[dict[str, float], list[tuple[str, str]]]:
    """Measurements of a sentence, and (check, detail) of each fault that does not prevent reading it.

    `size` is that of the template in metres, if there is one.
    """
    findings = []
    require_counted(numbers, f"{speaker}/{sentence}")
    first, last = int(numbers[0]), int(numbers[-1])
    if first:
        findings.append(("first_frames", f"begins with frame {first + 1}"))
    motion = release.motion(speaker, sentence)
    require_finite(motion, f"{speaker}/{sentence}")
    _require_same_size(motion, size, f"{speaker}/{sentence}")
    samples, rate = release.speech(speaker, sentence)
    if len(samples) == 0:
        raise DefectError("empty", "the speech has no samples")
    if rate != SAMPLE_RATE:
        findings.append(("sample_rate", f"{rate} Hz"))
    fitting = len(samples) / rate * FRAME_RATE
    if abs((last + 1) / fitting - 1) > _RATE_TOLERANCE:
        per_second = (last + 1) / fitting * FRAME_RATE
        findings.append(
            ("frame_rate", f"{last + 1} frames in {len(samples) / rate:.3f} s: {per_second:.1f} per second")
        )
    elif abs(last + 1 - fitting) > tolerance:
        findings.append(("length", f"{last + 1} frames of motion, {fitting:.2f} of speech"))
    wide = samples.astype(np.float64)
    loudness, full = np.sqrt(np.mean(wide**2)), np.mean(np.abs(wide) >= _FULL_SCALE)
    if loudness < _SILENCE:
        findings.append(("silent", f"root mean square {loudness:.1f} of 32768"))
    if full > _CLIPPED_SHARE:
        findings.append(("clipped", f"{100 * full:.2f} % of the samples at full scale"))
    measured = {"frames": len(numbers), "seconds": len(samples) / rate, "loudness": float(loudness)}
    return measured, findings


def judge(inspections: Sequence[Inspection], accept: Sequence[str]) -> pd.DataFrame:
    """All findings, each with its verdict: known, accepted or refused.

    Args:
        inspections: of all speakers.
        accept: shell patterns for `Finding.name`, as `*/*/clipped`.

    Returns:
        a table of speaker, sentence, check, detail, verdict and consequence ("used" or "left out").
    """
    rows = []
    for finding in (finding for inspection in inspections for finding in inspection.findings):
        known = finding.name in KNOWN
        accepted = any(fnmatchcase(finding.name, pattern) for pattern in accept) and finding.sentence != "template"
        verdict = "known" if known else "accepted" if accepted else "refused"
        consequence = "left out" if finding.check in UNUSABLE else "used"
        rows.append({**asdict(finding), "verdict": verdict, "consequence": consequence})
    return pd.DataFrame(rows, columns=["speaker", "sentence", "check", "detail", "verdict", "consequence"])


def usable(inspection: Inspection, judged: pd.DataFrame) -> list[str]:
    """The sentences of a speaker that go into the corpus, sorted."""
    left_out = judged[(judged["speaker"] == inspection.speaker) & (judged["consequence"] == "left out")]
    return sorted({*inspection.sentences} - {*left_out["sentence"]})


def require_accepted(judged: pd.DataFrame, page: str) -> None:
    """Refuse a corpus with a fault that is neither known nor accepted.

    Raises:
        AuditError: names each fault as `vocaset.accept` would.
    """
    refused = judged[judged["verdict"] == "refused"]
    if len(refused):
        columns = (refused[name] for name in ("speaker", "sentence", "check", "detail"))
        rows = zip(*columns, strict=True)
        lines = [f"  {speaker}/{sentence}/{check}: {detail}" for speaker, sentence, check, detail in rows]
        raise AuditError(
            "\n".join(
                [
                    f"the corpus has {len(refused)} faults that are neither known of the release nor accepted; {page}",
                    *lines,
                    "Repair the copy. Or list them under vocaset.accept in config.yaml, with * for any part: their "
                    f"sentences are then left out ({', '.join(UNUSABLE)}) or used as they are (other checks). A "
                    "template cannot be accepted.",
                ]
            )
        )


def render(inspections: Sequence[Inspection], judged: pd.DataFrame, accept: Sequence[str]) -> str:
    """The audit as an HTML page: what each speaker has, then all findings."""
    speakers = pd.DataFrame(
        [
            {
                "speaker": inspection.speaker,
                "sentences used": len(usable(inspection, judged)),
                "frames": sum(sentence["frames"] for sentence in inspection.sentences.values()),
                "minutes of speech": sum(sentence["seconds"] for sentence in inspection.sentences.values()) / 60,
            }
            for inspection in inspections
        ]
    )
    names = judged["speaker"] + "/" + judged["sentence"] + "/" + judged["check"]
    unused = [pattern for pattern in accept if not any(fnmatchcase(name, pattern) for name in names)]
    notes = [f"{name} in vocaset.accept matches nothing." for name in unused]
    counts = judged["verdict"].value_counts()
    summary = ", ".join(f"{counts.get(verdict, 0)} {verdict}" for verdict in ("known", "accepted", "refused"))
    meanings = pd.DataFrame({"check": list(CHECKS), "meaning": list(CHECKS.values())})
    tables = {
        "Speakers": _html(speakers),
        f"Findings: {summary}": _html(judged) if len(judged) else "<p>None.</p>",
        "Checks": _html(meanings),
    }
    body = "".join(f"<h2>{html.escape(title)}</h2>\n{table}\n" for title, table in tables.items())
    body += "".join(f"<p>{html.escape(note)}</p>\n" for note in notes)
    return page(f"<h1>Audit of the corpus</h1>\n{body}")


def _html(table: pd.DataFrame) -> str:
    return table.to_html(index=False, border=0, float_format="%.1f")
