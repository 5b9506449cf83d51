"""The whole chain at smoke scale: what it leaves behind, against contracts and against the generated truth."""

import zipfile
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import soundfile

from said import corpus
from said.arkit import BLENDSHAPES, SPEECH_BLENDSHAPES
from said.files.arrays import read_arrays
from said.files.meshes import read_mesh
from said.rig import reconstruct

RUN = "results/synthetic-smoke"
SPEAKERS = ("speaker01", "speaker02", "speaker09", "speaker11")
TEST_SPEAKER = "speaker11"
VARIANTS = ["base", "squared_error", "no_velocity", "no_alignment_bias", "finetuned_encoder"]


def test_tables_have_their_rows_and_columns(smoke):
    table = pd.read_csv(smoke.folder / "results/table2.csv")
    assert list(table) == ["variant", "av_offset", "av_confidence", "multimodality", "fd", "wind_mean", "wind_std"]
    assert list(table["variant"]) == VARIANTS
    assert np.isfinite(table.iloc[:, 1:].to_numpy()).all() and (table["fd"] >= 0).all()
    table = pd.read_csv(smoke.folder / "results/table1.csv")
    assert list(table["method"]) == ["ground_truth", "base", "voca"]
    assert table["fd"][0] == pytest.approx(0, abs=1e-6) and table["multimodality"][0] == 0


def test_tables_stand_beside_the_papers(smoke):
    for number, row in ((1, "CodeTalker + QP"), (2, "finetuned_encoder")):
        text = (smoke.folder / f"results/table{number}.md").read_text()
        assert row in text and "for the order of the variants only" in text and "<u>10.344 ± 0.127</u>" in text


def test_beyond_the_paper_every_method_has_every_measure(smoke):
    table = pd.read_csv(smoke.folder / "results/table2_beyond.csv")
    assert list(table.columns)[:5] == ["variant", "measure", "value", "low", "high"]
    assert table.groupby("measure")["variant"].apply(list).map(lambda rows: rows == ["ground_truth", *VARIANTS]).all()
    errors = table[table["measure"] == "lip_vertex_error_mm"].set_index("variant")["value"]
    assert errors["ground_truth"] < 2 < errors["base"]  # the fit's own error, and that of a model that learned nothing
    over_clips = table[table["measure"] != "wind_mean"]
    assert ((over_clips["low"] <= over_clips["value"]) & (over_clips["value"] <= over_clips["high"])).all()
    assert table["seeds"].isna().all()  # one training of each variant


def test_the_run_is_recorded(smoke):
    costs = pd.read_csv(smoke.folder / "results/cost.csv").set_index("rule")
    assert costs.loc["train_said", "jobs"] == len(VARIANTS) and costs.loc["train_said", "wall_seconds"] > 0
    page = (smoke.folder / "results/run.html").read_text()
    assert "snakemake" in page and "scale smoke" in page and "wind_components: 2" in page


def test_truth_table_knows_the_oracle_from_untrained_models(smoke):
    table = pd.read_csv(smoke.folder / "results/table2_truth.csv", index_col="variant")
    assert list(table.index) == [*VARIANTS, "oracle"]
    for name in ("jawOpen", "mouthPucker"):
        assert table[f"correlation_{name}"]["oracle"] > 0.7  # another take of the same sentence
        assert (table[f"correlation_{name}"][VARIANTS] < 0.4).all()  # two epochs teach nothing
    assert 0.7 < table["jitter"]["oracle"] < 4  # what fitting coefficients to scans adds


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_corpus_contract(smoke, speaker):
    run = smoke.folder / RUN
    topology = corpus.read_topology(run / "corpus/topology.npz")
    template = read_mesh(run / f"corpus/templates/{speaker}.ply")
    assert np.array_equal(template.faces, topology.faces) and len(set(topology.landmarks)) == 68
    assert 0.1 < np.ptp(template.vertices, axis=0)[1] < 0.5  # metres
    for sentence in corpus.sentences(run / "corpus/sequences" / speaker):
        frames = corpus.read_frames(run / "corpus/sequences" / speaker, sentence)
        assert frames.dtype == np.float32 and frames.shape[1:] == template.vertices.shape
        sound = soundfile.info(run / "corpus/sequences" / speaker / f"{sentence}.wav")
        assert (sound.samplerate, sound.subtype, sound.channels) == (22000, "PCM_16", 1)
        assert len(frames) == sound.frames * 60 // 22000
        assert np.abs(frames[0] - template.vertices).max() < 0.02  # begins near rest


def test_source_has_all_52_expressions(smoke):
    neutral, expressions, landmarks = corpus.read_source(smoke.folder / RUN / "source")
    assert expressions.shape == (32, len(neutral.vertices), 3) and len(set(landmarks)) == 68
    assert all((smoke.folder / RUN / f"source/{name}.obj").exists() for name in BLENDSHAPES)


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_recovered_vertices_are_within_half_a_millimetre(smoke, speaker):
    run = smoke.folder / RUN
    shapes = read_arrays(run / f"blendshapes/{speaker}.npz")
    for sentence, coefficients in corpus.read_coefficients(run / f"coefficients/{speaker}").items():
        frames = corpus.read_frames(run / "corpus/sequences" / speaker, sentence)[:, shapes["vertices"]]
        error = reconstruct(shapes["template"], shapes["blendshapes"], coefficients) - frames
        assert np.sqrt((error**2).sum(2).mean()) < 0.5e-3
        assert np.sqrt(((frames - shapes["template"]) ** 2).sum(2).mean()) > 1e-3  # there was something to recover
        assert coefficients.min() >= 0 and coefficients.max() <= 1
        assert np.abs(np.diff(coefficients, axis=0)).max() <= 0.1 + 1e-8


def test_recovered_coefficients_follow_the_truth(smoke):
    run = smoke.folder / RUN
    fitted = corpus.read_coefficients(run / f"coefficients/{TEST_SPEAKER}")
    truth = corpus.read_coefficients(run / f"truth/sequences/{TEST_SPEAKER}")
    assert fitted.keys() == truth.keys()
    for name in ("jawOpen", "mouthPucker", "mouthFunnel"):
        column = SPEECH_BLENDSHAPES.index(name)
        pair = [np.concatenate([part[key][:, column] for key in sorted(truth)]) for part in (fitted, truth)]
        assert np.corrcoef(*pair)[0, 1] > 0.9, name


def test_every_method_yields_every_test_clip(smoke):
    truth = read_arrays(smoke.folder / RUN / f"methods/ground_truth/{TEST_SPEAKER}.npz")
    for method in [*VARIANTS, "oracle"]:
        samples = read_arrays(smoke.folder / RUN / f"methods/{method}/{TEST_SPEAKER}.npz")
        assert samples.keys() == truth.keys()
        for name, values in samples.items():
            assert values.shape == (2, *truth[name].shape[1:]) and values.dtype == np.float32
            assert values.min() >= 0 and values.max() <= 1
            assert np.abs(values[0] - values[1]).max() > 1e-3  # two samples, not one twice


def test_no_two_speakers_say_the_same(smoke):
    texts = [path.read_text() for path in (smoke.folder / RUN / "truth/sequences").glob("*/text/*.txt")]
    assert len(texts) == len(set(texts)) == 7


def test_figures_are_there_to_be_looked_at(smoke):
    for name in ("overview", "construction", "architecture", "speakers", "blendshapes", "training", "lipsync"):
        assert (smoke.folder / f"results/figures/{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (smoke.folder / f"results/figures/{name}.pdf").read_bytes().startswith(b"%PDF")
    with av.open(str(smoke.folder / "results/figures/demo.mp4")) as movie:
        frames = [frame.to_ndarray(format="rgb24") for frame in movie.decode(video=0)]
    truth = read_arrays(smoke.folder / RUN / f"methods/ground_truth/{TEST_SPEAKER}.npz")
    assert len(frames) == truth["sentence01"].shape[1]
    left, right = frames[len(frames) // 2][:, :160], frames[len(frames) // 2][:, 160:]
    assert left.std() > 10 and right.std() > 10  # a face in either half
    assert np.abs(frames[0].astype(int) - frames[len(frames) // 2]).max() > 30  # that moves


def test_the_comparison_shows_the_truth_and_every_variant(smoke):
    with av.open(str(smoke.folder / "results/figures/comparison0.mp4")) as movie:
        frame = next(movie.decode(video=0)).to_ndarray(format="rgb24")
        assert len(movie.streams.audio) == 1
    assert frame.shape == (2 * (160 + 20), 3 * 160, 3)
    views = [frame[top + 20 : top + 180, left : left + 160] for top in (0, 180) for left in (0, 160, 320)]
    assert all(view.std() > 10 for view in views)


def test_the_report_holds_tables_figures_and_captions(smoke):
    smoke("--report", "results/report.zip")
    with zipfile.ZipFile(smoke.folder / "results/report.zip") as report:
        names = {Path(name).name for name in report.namelist()}
        page = report.read("report/report.html").decode()
    assert {"table1.csv", "table2.csv", "table2_truth.csv", "demo.mp4", "speakers.png", "training.png"} <= names
    assert {"table2.html", "table2_beyond.html", "comparison0.mp4", "overview.pdf", "cost.csv", "run.html"} <= names
    assert "ground truth beside a sample of SAiD" in page and "SAiD and its ablations" in page
