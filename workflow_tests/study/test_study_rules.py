"""`snakemake study` from a finished smoke run to a page, a key, a simulation and an analysis of what comes back."""

import json

from conftest import SMOKE

from said.study.answers import write_answers
from said.study.key import read_key
from said.study.simulation import simulate


def test_a_run_becomes_a_study_and_its_answers_are_analysed(edited):
    edited("study", *SMOKE)
    results = edited.folder / "results"
    key = read_key(results / "synthetic-smoke/study/key.json")
    assert key.methods(1) == ["ground_truth", "base"] and key.methods(2) == ["ground_truth", "still"]
    page = (results / "study/index.html").read_text()
    assert page.count('<script type="text/plain" id="film-') == 2 * 2 + 2 * 2
    assert "ground_truth" not in page and "synthetic" not in page
    proof = json.loads((results / "synthetic-smoke/study/SIMULATED_proof.json").read_text())
    assert proof["draws"] == 10 and 0 <= proof["coverage"] <= 1
    assert "SIMULATED" in (results / "synthetic-smoke/study/SIMULATED_analysis.html").read_text()
    assert not (results / "study/analysis.csv").exists()

    folder = edited.folder / "study/answers"
    for given in simulate(key, 4, 0):  # as if people had given them
        write_answers(folder / f"answers-{given.participant}.json", given, key.study, simulated=False)
    assert edited.jobs("study", *SMOKE) == {"study_analysis": 1, "study": 1}
    edited("study", *SMOKE)
    assert "4 participants" in (results / "study/analysis.html").read_text()
    header, first, *_ = (results / "study/analysis.csv").read_text().splitlines()
    assert header.startswith("question,statistic,method") and first.startswith("lip_sync,mean_opinion,ground_truth,,4,")
