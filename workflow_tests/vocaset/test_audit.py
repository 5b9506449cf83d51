"""The audit: every fault is found, named and judged."""

import numpy as np
import pytest

from said.files.pages import page as plain_page
from said.synthetic.release import Recording, Speaker, write_ply_tree, write_training_archive
from said.vocaset import audit
from said.vocaset import release as vocaset
from said.vocaset.audit import Finding, Inspection

FACES = np.array([[0, 1, 2], [1, 3, 2]])
SPEAKER = "FaceTalk_170725_00137_TA"
FRAMES = 30


def speech(seconds: float = FRAMES / 60, rate: int = 22000, amplitude: float = 8000) -> np.ndarray:
    return np.round(amplitude * np.sin(np.arange(round(seconds * rate)) * 0.2)).astype(np.int16)


@pytest.fixture
def speaker():
    """Three sentences with nothing wrong."""
    rng = np.random.default_rng(0)
    template = rng.normal(size=(4, 3)).astype(np.float32)
    recordings = {
        f"sentence{n:02d}": Recording(template + rng.normal(size=(FRAMES, 4, 3)).astype(np.float32) * 0.01, speech())
        for n in (1, 2, 3)
    }
    return Speaker(SPEAKER, template, recordings)


def inspect(folder, speaker, form=write_ply_tree, expected=3, tolerance=1.0) -> Inspection:
    form(folder, [speaker], *([FACES] if form is write_ply_tree else []))
    return audit.inspect(vocaset.open_release(folder, FACES), SPEAKER, expected, tolerance)


def names(inspection: Inspection) -> list[str]:
    return [f"{finding.sentence}/{finding.check}" for finding in inspection.findings]


@pytest.mark.parametrize("form", [write_ply_tree, write_training_archive])
def test_nothing_is_found_where_nothing_is_wrong(tmp_path, speaker, form):
    inspection = inspect(tmp_path, speaker, form)
    assert inspection.findings == []
    assert sorted(inspection.sentences) == ["sentence01", "sentence02", "sentence03"]
    assert inspection.sentences["sentence02"]["frames"] == FRAMES
    assert inspection.sentences["sentence02"]["seconds"] == FRAMES / 60
    assert inspection.sentences["sentence02"]["loudness"] == pytest.approx(8000 / np.sqrt(2), rel=0.01)


def test_missing_sentences_and_unexpected_ones(tmp_path, speaker):
    recordings = dict(speaker.recordings)
    recordings["sentence07"] = recordings.pop("sentence02")
    inspection = inspect(tmp_path, Speaker(SPEAKER, speaker.template, recordings))
    assert names(inspection) == ["sentence07/unexpected", "sentence02/missing"]


def test_missing_halves(tmp_path, speaker):
    write_ply_tree(tmp_path, [speaker], FACES)
    (tmp_path / f"audio/{SPEAKER}/sentence01.wav").unlink()
    for path in (tmp_path / f"unposedcleaneddata/{SPEAKER}/sentence03").iterdir():
        path.unlink()
    inspection = audit.inspect(vocaset.open_release(tmp_path, FACES), SPEAKER, 3, 1.0)
    assert {finding.sentence: finding.detail for finding in inspection.findings} == {
        "sentence01": "no speech", "sentence03": "no meshes",
    }  # fmt: skip
    assert all(finding.check == "missing" for finding in inspection.findings)


def test_missing_frames_at_the_beginning_and_within(tmp_path, speaker):
    write_ply_tree(tmp_path, [speaker], FACES)
    folder = tmp_path / f"unposedcleaneddata/{SPEAKER}"
    (folder / "sentence01/sentence01.000001.ply").unlink()
    (folder / "sentence02/sentence02.000007.ply").unlink()
    inspection = audit.inspect(vocaset.open_release(tmp_path, FACES), SPEAKER, 3, 1.0)
    assert names(inspection) == ["sentence01/first_frames", "sentence02/frames"]
    assert "the first of them 7" in inspection.findings[1].detail
    assert sorted(inspection.sentences) == ["sentence01", "sentence03"]


@pytest.mark.parametrize(
    ("audio", "check"),
    [
        (speech(0.0), "empty"),
        (speech(amplitude=3), "silent"),
        (np.clip(speech(amplitude=30000).astype(float) * 1.3, -32768, 32767).astype(np.int16), "clipped"),
        (speech(FRAMES / 60 + 1.6 / 60), "length"),
        (speech(FRAMES / 60 - 1.6 / 60), "length"),
        (speech(FRAMES / 30), "frame_rate"),  # motion at 30 frames per second
        (speech(FRAMES / 120), "frame_rate"),
    ],
)
def test_speech_that_does_not_do(tmp_path, speaker, audio, check):
    speaker.recordings["sentence02"] = Recording(speaker.recordings["sentence02"].vertices, audio)
    assert names(inspect(tmp_path, speaker)) == [f"sentence02/{check}"]


def test_a_tolerance_is_a_tolerance(tmp_path, speaker):
    speaker.recordings["sentence02"] = Recording(speaker.recordings["sentence02"].vertices, speech(31.5 / 60))
    assert names(inspect(tmp_path, speaker, tolerance=1.6)) == []
    assert names(inspect(tmp_path, speaker, tolerance=1.4)) == ["sentence02/length"]


def test_another_sample_rate_and_a_damaged_wav(tmp_path, speaker):
    import soundfile

    write_ply_tree(tmp_path, [speaker], FACES)
    soundfile.write(tmp_path / f"audio/{SPEAKER}/sentence01.wav", speech(rate=16000), 16000)
    (tmp_path / f"audio/{SPEAKER}/sentence03.wav").write_bytes(b"RIFF no sound")
    inspection = audit.inspect(vocaset.open_release(tmp_path, FACES), SPEAKER, 3, 1.0)
    assert names(inspection) == ["sentence01/sample_rate", "sentence03/unreadable"]
    assert "sentence03.wav" in inspection.findings[1].detail


@pytest.mark.parametrize("form", [write_ply_tree, write_training_archive])
def test_coordinates_that_are_not_finite(tmp_path, speaker, form):
    speaker.recordings["sentence03"].vertices[4, 2, 1] = np.nan
    speaker.template[0, 0] = np.inf
    inspection = inspect(tmp_path, speaker, form)
    assert names(inspection) == ["template/not_finite", "sentence03/not_finite"]
    assert "vertex 2 of frame 5" in inspection.findings[1].detail


def test_wrong_topology_and_a_missing_template(tmp_path, speaker):
    write_ply_tree(tmp_path, [speaker], FACES)
    (tmp_path / f"templates/{SPEAKER}.ply").unlink()
    release = vocaset.open_release(tmp_path, FACES[:, ::-1])
    inspection = audit.inspect(release, SPEAKER, 3, 1.0)
    assert names(inspection) == ["template/missing", *(f"sentence{n:02d}/topology" for n in (1, 2, 3))]
    assert inspection.sentences == {}


def inspection_of(*found: str) -> Inspection:
    findings = [Finding(*name.split("/"), detail="<seen>") for name in found]
    return Inspection(SPEAKER, {f"sentence{n:02d}": {"frames": 60, "seconds": 1.0} for n in (1, 2, 3)}, findings)


def test_known_gaps_of_the_release_are_no_failure():
    inspection = Inspection("FaceTalk_170809_00138_TA", {"sentence26": {"frames": 60, "seconds": 1.0}}, [
        Finding("FaceTalk_170809_00138_TA", "sentence32", "missing", "no meshes"),
        Finding("FaceTalk_170809_00138_TA", "sentence26", "first_frames", "begins with frame 2"),
    ])  # fmt: skip
    judged = audit.judge([inspection], [])
    assert list(judged["verdict"]) == ["known", "known"] and list(judged["consequence"]) == ["left out", "used"]
    audit.require_accepted(judged, "page")
    assert audit.usable(inspection, judged) == ["sentence26"]


def test_every_other_fault_is_named_in_the_failure():
    judged = audit.judge([inspection_of(f"{SPEAKER}/sentence01/clipped", f"{SPEAKER}/sentence02/length")], [])
    with pytest.raises(audit.AuditError) as caught:
        audit.require_accepted(judged, "results/x/audit.html")
    text = str(caught.value)
    assert f"{SPEAKER}/sentence01/clipped: <seen>" in text and f"{SPEAKER}/sentence02/length" in text
    assert "results/x/audit.html" in text and "vocaset.accept" in text


@pytest.mark.parametrize("accept", [f"{SPEAKER}/sentence01/clipped", "*/*/clipped", f"{SPEAKER}/*/*"])
def test_accepted_faults_are_used_or_left_out(accept):
    inspection = inspection_of(f"{SPEAKER}/sentence01/clipped")
    judged = audit.judge([inspection], [accept])
    audit.require_accepted(judged, "page")
    assert audit.usable(inspection, judged) == ["sentence01", "sentence02", "sentence03"]
    left_out = inspection_of(f"{SPEAKER}/sentence02/not_finite")
    assert audit.usable(left_out, audit.judge([left_out], ["*/*/*"])) == ["sentence01", "sentence03"]


def test_a_template_cannot_be_accepted():
    judged = audit.judge([inspection_of(f"{SPEAKER}/template/topology")], ["*/*/*"])
    with pytest.raises(audit.AuditError, match="template/topology"):
        audit.require_accepted(judged, "page")


def test_the_page_shows_all_and_escapes_what_it_shows():
    inspection = inspection_of(f"{SPEAKER}/sentence01/clipped")
    accept = ["*/*/clipped", "*/*/cliped"]
    page = audit.render([inspection], audit.judge([inspection], accept), accept)
    assert page.partition("<body>")[0] == plain_page("").partition("<body>")[0]  # as all reports
    assert "&lt;seen&gt;" in page and "<seen>" not in page and "accepted" in page
    assert "*/*/cliped in vocaset.accept matches nothing" in page and "*/*/clipped in" not in page
    assert "None." in audit.render([inspection_of()], audit.judge([inspection_of()], []), [])


def test_inspections_survive_json():
    inspection = inspection_of(f"{SPEAKER}/sentence01/clipped")
    assert Inspection.from_json(inspection.to_json()) == inspection


def test_every_check_that_leaves_out_is_explained():
    assert set(audit.UNUSABLE) < audit.CHECKS.keys()
    assert {name.rsplit("/", 1)[1] for name in audit.KNOWN} < audit.CHECKS.keys()
