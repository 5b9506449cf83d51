"""Edits: what the entries of config.yaml may say, what comes back, and what is kept to the last digit."""

import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from conftest import SMOKE
from helpers import SAMPLING, small, small_encoder, speeches

from said.arkit import SPEECH_BLENDSHAPES
from said.corpus import find_sentence
from said.editing import Clip, edit, read_clip, written
from said.edits import find_faults, kept_entries, mask_entries, read_reference
from said.figures.attention import attention_maps
from said.figures.velocity import find_jitter
from said.files import provenance
from said.files.audio import write_audio
from said.files.tables import read_coefficients, write_coefficient_text
from said.sampling import Sampler, sample_speech
from said.workflow.version import VERSION

RUN = "results/synthetic-smoke"
RANDOM = 0.1 * np.random.default_rng(0).normal(size=16000)
_BUFFER = io.BytesIO()
soundfile.write(_BUFFER, RANDOM, 16000, format="WAV")
WAV = _BUFFER.getvalue()


def faults(**entry) -> list[str]:
    return list(find_faults({"mine": entry}, ["anna", "bert"], ["bert"], ["base", "finetuned"]))


def write_wav(path, seconds=1.0):
    write_audio(path, np.random.default_rng(0).normal(size=int(16000 * seconds)) * 0.1, 16000)
    return str(path)


def write_reference(path, frames=60, **cells):
    values = np.random.default_rng(0).uniform(0.1, 0.9, (frames, 32)).astype("U20")
    for name, text in cells.items():
        values[3, SPEECH_BLENDSHAPES.index(name)] = text
    write_coefficient_text(path, values)
    return str(path)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, "edits.mine: names a clip"),
        ({"speaker": 0, "wav": "a.wav"}, "one of the two"),
        ({"speaker": "berta"}, "edits.mine.speaker: unknown speaker 'berta'; did you mean 'bert'"),
        ({"speaker": 1}, "there are 1 test speakers"),
        ({"speaker": 0, "variant": "finetune"}, "did you mean 'finetuned'"),
        ({"speaker": 0, "blendshapes": ["jawOpn"]}, "unknown blendshape 'jawOpn'; did you mean 'jawOpen'"),
        ({"speaker": 0, "frames": [[5, 4]]}, "edits.mine.frames: [5, 4] is empty"),
        ({"speaker": 0, "frames": [[-1, -5]]}, "is empty"),
        ({"speaker": 0, "mask": "nowhere.csv"}, "edits.mine.mask: no file nowhere.csv"),
        ({"wav": "nowhere.wav"}, "edits.mine.wav: no file nowhere.wav"),
    ],
)
def test_wrong_edits_are_named_before_any_job(entry, message):
    assert any(message in fault for fault in faults(**entry)), faults(**entry)


def test_the_users_files_are_looked_into_before_any_job(tmp_path):
    wav, reference = write_wav(tmp_path / "a.wav"), write_reference(tmp_path / "a.csv")
    mine = {"wav": wav, "reference": reference}
    assert not faults(wav=wav) and not faults(**mine, frames=[[0, 5], [-5, -1]])
    (fault,) = faults(**mine, frames=[[50, 60]])
    assert "not a range within the 60 frames" in fault
    (fault,) = faults(wav=wav, frames=[[0, 5]])
    assert "name a CSV as `reference`" in fault
    (fault,) = faults(**mine)
    assert "nothing of it is kept" in fault
    (fault,) = faults(wav=write_wav(tmp_path / "long.wav", 3.0), reference=reference, frames=[[0, 5]])
    assert "has 60 frames, the speech 180" in fault
    loud = write_reference(tmp_path / "loud.csv", jawOpen="1.2")
    (fault,) = faults(wav=wav, reference=loud, frames=[[0, 5]])
    assert "line 5: jawOpen is 1.2" in fault
    pd.DataFrame({"jawOpen": [0.5] * 60}).to_csv(tmp_path / "mask.csv", index=False)
    (fault,) = faults(**mine, mask=str(tmp_path / "mask.csv"))
    assert "jawOpen is 0.5, not 0 or 1" in fault


@pytest.mark.parametrize("content", [b"", b"no sound", WAV[:20000], WAV[:44], WAV[:20], b"OggS" + bytes(50)])
def test_a_recording_that_cannot_be_used_is_named_before_any_job(tmp_path, content):
    path = tmp_path / "mine.wav"
    path.write_bytes(content)
    (fault,) = faults(wav=str(path))
    assert fault.startswith(f"edits.mine.wav: {path}: ") and "damaged" not in fault and "rm -r" not in fault


@pytest.mark.parametrize("waveform", [np.zeros(16000), RANDOM[:399], RANDOM[:533], RANDOM[:1], RANDOM[:0],
                                      np.stack([RANDOM, -RANDOM], 1), np.append(RANDOM, np.nan)])  # fmt: skip
def test_a_recording_without_speech_is_named_before_any_job(tmp_path, waveform):
    path = tmp_path / "mine.wav"
    soundfile.write(path, waveform, 16000, subtype="FLOAT")
    (fault,) = faults(wav=str(path))
    assert fault.startswith(f"edits.mine.wav: {path}: ")


def test_tables_of_the_users_with_a_value_too_many_are_named_before_any_job(tmp_path):
    """What pandas takes for names of rows gives every blendshape its neighbour's values."""
    wav, reference = write_wav(tmp_path / "a.wav"), write_reference(tmp_path / "a.csv")
    mine = {"wav": wav, "reference": reference, "frames": [[0, 5]]}
    mask = tmp_path / "mask.csv"
    mask.write_text("jawOpen,jawLeft\n" + "1,0\n" * 60)
    assert not faults(**mine, mask=str(mask))
    mask.write_text("jawOpen,jawLeft\n" + "1,0,1\n" * 60)
    (fault,) = faults(**mine, mask=str(mask))
    assert fault.startswith(f"edits.mine.mask: {mask}: line 2 has 3 values and the header 2 names")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    for text in ("\n".join([lines[0], *(f"{number},{line}" for number, line in enumerate(lines[1:]))]) + "\n",
                 "\n".join(lines), "\n".join(lines)[:-300], ""):  # fmt: skip
        (tmp_path / "a.csv").write_text(text)
        (fault,) = faults(**mine)
        assert fault.startswith(f"edits.mine.reference: {reference}: ")
        assert "damaged" not in fault and "rm " not in fault


@pytest.mark.parametrize("samples", [534, 799, 800])
def test_the_shortest_recording_becomes_curves(tmp_path, samples):
    soundfile.write(tmp_path / "mine.wav", RANDOM[:samples], 16000)
    clip = read_clip({"wav": tmp_path / "mine.wav"}, {"wav": "mine.wav"})
    values = edit(Sampler(small(prediction="v"), small_encoder(), SAMPLING, 0), clip)
    assert values.shape == (samples * 60 // 16000, 32) and np.isfinite(values).all()


def test_what_is_kept():
    kept = kept_entries({"frames": [[0, 1], [-2, -1]], "blendshapes": ["jawOpen"]}, 10)
    assert kept[[0, 1, 8, 9]].all() and kept[:, 3].all() and kept.sum() == 4 * 32 + 6
    assert not kept_entries({}, 4).any()
    with pytest.raises(ValueError, match=r"\[0, 10\]: not a range within the 10 frames"):
        kept_entries({"frames": [[0, 10]]}, 10)
    with pytest.raises(ValueError, match="not a range"):
        kept_entries({"frames": [[-11, 3]]}, 10)
    kept = mask_entries({"jawOpen": np.array([0, 1, 1])}, 3, "mask.csv")
    assert kept[:, 3].tolist() == [False, True, True] and kept.sum() == 2
    with pytest.raises(ValueError, match="has 3 rows, the sequence 4"):
        mask_entries({"jawOpen": np.array([0, 1, 1])}, 4, "mask.csv")
    with pytest.raises(ValueError, match="did you mean 'jawOpen'"):
        mask_entries({"jawopen": np.zeros(3)}, 3, "mask.csv")


def test_sentences_have_names_and_numbers():
    assert find_sentence(["a1", "a2"], 1, "folder") == find_sentence(["a1", "a2"], "a2", "folder") == "a2"
    with pytest.raises(ValueError, match="there are 2"):
        find_sentence(["a1", "a2"], 2, "folder")
    with pytest.raises(ValueError, match="did you mean 'sentence01'"):
        find_sentence(["sentence01"], "sentence1", "folder")


@pytest.mark.parametrize("scaled", [False, True])
def test_what_goes_in_comes_out(tmp_path, scaled):
    """Digits, exponents and zeros of kept cells are those of the file, whatever they are."""
    reference = write_reference(tmp_path / "in.csv", jawOpen="0.12345678901234567", jawLeft="1e-3", cheekPuff="0.50")
    (speech,) = speeches(60)
    clip = Clip(speech, read_reference(reference, 60), kept_entries({"frames": [[0, 9]]}, 60))
    model = small(prediction="v", scaled=scaled)
    if scaled:
        model.coefficient_scale.copy_(torch.linspace(0.02, 0.4, 32))
    values = edit(Sampler(model, small_encoder(), SAMPLING, 0), clip)
    write_coefficient_text(tmp_path / "out.csv", written(values, clip))
    before, after = ((tmp_path / name).read_text().splitlines() for name in ("in.csv", "out.csv"))
    assert after[:11] == before[:11] and len(after) == len(before)
    assert all(a != b for a, b in zip(before[11:], after[11:], strict=True))
    np.testing.assert_array_equal(read_coefficients(tmp_path / "out.csv")[10:].astype(np.float32), values[10:])
    assert np.array_equal(values[:10], clip.reference[:10].astype(np.float32))


def test_an_edit_that_keeps_nothing_is_the_sample_of_its_repeat():
    (speech,) = speeches(40)
    sampler = Sampler(small(prediction="v"), small_encoder(), SAMPLING, 3)
    ((_, samples),) = sample_speech(sampler, [speech], report=lambda _: None)
    for repeat in range(2):
        made = edit(sampler, Clip(speech, None, kept_entries({}, 40)), repeat)
        assert made.tobytes() == samples[repeat].tobytes()


def test_a_recording_of_any_rate_becomes_curves(tmp_path):
    write_audio(tmp_path / "mine.wav", np.random.default_rng(0).normal(size=44100) * 0.1, 44100)
    clip = read_clip({"wav": tmp_path / "mine.wav"}, {"wav": "mine.wav"})
    assert clip.speech.name == "mine" and clip.speech.frames == 60 and len(clip.speech.waveform) == 16000
    assert clip.reference is None and not clip.kept.any()


# Figures


def test_jitter_is_found_where_it_was_put():
    smooth = np.full((200, 32), 0.5)
    rough = smooth.copy()
    rough[100:130, 7] += 0.05 * (-1) ** np.arange(30)
    rough[20:50, 3] += 0.02 * (-1) ** np.arange(30)
    first, second = find_jitter(smooth, rough)[:2]
    assert (first.blendshape, second.blendshape) == (7, 3)
    assert abs(first.start - 100) <= 2 and abs(second.start - 20) <= 2
    assert first.excess > second.excess > 0


def test_attention_maps_are_those_of_the_denoiser():
    noisy, audio = torch.randn(1, 20, 32), torch.randn(1, 20, 32)
    maps = attention_maps(small(), noisy, torch.tensor([500]), audio)
    assert maps.shape == (4, 20, 20)
    torch.testing.assert_close(maps.sum(-1), torch.ones(4, 20))
    distance = (torch.arange(20)[:, None] - torch.arange(20)).abs()
    assert (maps[:, distance > 1] == 0).all() and (maps[:, distance <= 1] > 0).all()
    assert (attention_maps(small(alignment_bias=None), noisy, torch.tensor([500]), audio) > 0).all()


# The workflow


def test_both_edits_of_the_paper_keep_what_they_say(smoke):
    truth = (smoke.folder / RUN / "coefficients/speaker11/sentence01.csv").read_text().splitlines()
    made = (smoke.folder / "results/edits/inbetweening.csv").read_text().splitlines()
    assert made[:61] == truth[:61] and made[-60:] == truth[-60:] and made[61:-60] != truth[61:-60]
    made = (smoke.folder / "results/edits/blendshape_constraints.csv").read_text().splitlines()
    assert [line.split(",")[:4] for line in made] == [line.split(",")[:4] for line in truth]
    assert all(a != b for a, b in zip(made[1:], truth[1:], strict=True))
    for name in ("editing", "velocity", "velocity_all", "attention"):
        assert (smoke.folder / f"results/figures/{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (smoke.folder / f"results/figures/{name}.pdf").read_bytes().startswith(b"%PDF")


def test_a_recording_of_ones_own_is_one_entry(edited):
    shutil.copy(edited.folder / RUN / "corpus/sequences/speaker11/sentence02.wav", edited.folder / "hello.wav")
    edited.edit("config.yaml", "  inbetweening: {", "  mine: {wav: hello.wav}\n  inbetweening: {")
    assert edited.jobs("results/edits/mine.csv", *SMOKE) == {"edit_said": 1, "publish_edit": 1}
    edited("results/edits/mine.csv", *SMOKE)
    assert read_coefficients(edited.folder / "results/edits/mine.csv").shape == (324, 32)


WRONG = {
    "spelt": ({"speaker": 0, "blendshapes": ["jawForwards"]}, "spelt.blendshapes: unknown blendshape 'jawForwards'"),
    "braces": ({"wav": "{take}/a.wav"}, "edits.braces.wav: '{take}/a.wav' has braces"),
    "late": ({"speaker": 0, "sentence": 2}, "edits.late.sentence: 2: the speaker has 2, counted from 0"),
    "a name": ({"speaker": 0}, "edits['a name']: not a usable name"),
    "key": ({"speaker": 0, "wave": "a.wav"}, "edits.key.wave: unknown key; did you mean 'wav'?"),
    "folder": ({"wav": "rules"}, "edits.folder.wav: no file rules"),
}  # fmt: skip


def test_wrong_edits_name_themselves_and_the_rest_runs(workflow):
    edits = json.dumps({name: entry for name, (entry, _) in WRONG.items()})
    wrong = (*SMOKE, f"edits={edits}")
    table = workflow("-n", "results/table2.csv", *wrong)
    for _, message in WRONG.values():
        assert message in table.stdout + table.stderr
    jobs, plain = workflow.jobs("all", *wrong), workflow.jobs("all", *SMOKE)
    assert jobs.pop("refuse_edit") == len(WRONG) and jobs == plain


def test_a_failed_edit_stops_no_table(edited):
    """What is seen at the start only, what a job finds out, and another failure, which ends the run as ever."""
    added = "  gone: {wav: gone.wav}\n  long: {speaker: 0, frames: [[0, 99999]]}\n"
    edited.edit("config.yaml", "  inbetweening: {", f"{added}  inbetweening: {{")
    (edited.folder / "results/table1.csv").unlink()
    targets = ("results/edits/gone.csv", "results/edits/long.csv", "results/table1.csv")
    done = edited(*targets, *SMOKE, "--cores", "1", check=False)
    text = done.stdout + done.stderr
    assert done.returncode == 1 and (edited.folder / "results/table1.csv").exists()
    assert "edits.gone.wav: no file gone.wav" in text and "edits.long: frames [0, 99999]: not a range" in text
    (edited.folder / "results/table1.csv").unlink()
    (edited.folder / RUN / "evaluation/base.json").write_text("{")
    assert edited(*targets, *SMOKE, "--cores", "1", check=False).returncode == 1
    assert not (edited.folder / "results/table1.csv").exists()


def test_another_runs_deliverables_are_replaced_with_a_word(edited):
    """Every deliverable says whose it is; a table of another run is not replaced silently."""
    found = (edited.folder / "results").glob("**/*.csv-metadata.json")
    sidecars = [path for path in found if path.parent.name != ".sums"]
    assert {path.name for path in sidecars} >= {f"{name}.csv-metadata.json" for name in ("table1", "table2", "cost")}
    for path in sidecars:
        assert json.loads(path.read_text()).items() >= {"dataset": "synthetic", "scale": "smoke", "seed": 0}.items()
    pictures = [*(edited.folder / "results").glob("figures/*.png"), *(edited.folder / "results").glob("edits/*.png")]
    run = {provenance.read(path) for path in pictures}
    assert len(pictures) > 10 and run == {f"dataset synthetic, scale smoke, preset paper, seed 0, version {VERSION}"}
    for name in ("table1.md", "table1.html", "table2.md", "table2_beyond.html", "table2_truth.html", "run.html"):
        assert f"This run: {run.copy().pop()}." in (edited.folder / "results" / name).read_text(), name
    path = edited.folder / "results/table1.csv-metadata.json"
    path.write_text(path.read_text().replace("smoke", "demo"))
    (edited.folder / "results/table1.md").unlink()
    done = edited("results/table1.csv", "results/table1.md", *SMOKE)
    (line,) = [line for line in (done.stdout + done.stderr).splitlines() if "replaces those of others" in line]
    assert "results/table1.csv (dataset synthetic, scale demo, " in line and "table2" not in line
    assert json.loads(path.read_text())["scale"] == "smoke"
