"""The proof of the analysis: what is known of simulated participants is found."""

import numpy as np
import pytest
from study.small_study import METHODS, small_study

from said.study.analysis import report, scores, tabulate
from said.study.answers import find_answers, read_all, write_answers
from said.study.measures import friedman
from said.study.simulation import Opinions, prove, simulate, without_names


def test_the_truth_is_the_mean_of_very_many():
    judging = Opinions()
    drawn = judging.draw(200_000, 4, 3, np.random.default_rng(0)).mean((0, 2))
    np.testing.assert_allclose(drawn, judging.truth(4, 3), atol=0.01)
    assert Opinions(spread=0).truth(5, 3) == pytest.approx(3)


def test_intervals_hold_the_truth_orders_are_found_and_false_alarms_are_rare():
    found = prove(24, 7, 3, 200, 0)
    assert 0.92 <= found["coverage"] <= 0.98
    assert 0.02 <= found["false_alarms"] <= 0.08
    assert found["family_errors"] <= 0.08
    assert found["order_tau"] > 0.95 and found["best_found"] > 0.9


def test_simulated_answers_are_read_only_as_what_they_are_and_say_so(tmp_path):
    study = small_study()
    for given in simulate(study.key, 24, 3):
        write_answers(tmp_path / f"SIMULATED-{given.participant}.json", given, study.key.study, simulated=True)
    with pytest.raises(ValueError, match="is simulated; simulated answers and a study's are never analysed together"):
        read_all(find_answers(tmp_path), study.key)
    key = without_names(study.key)
    answers = read_all(find_answers(tmp_path), key, simulated=True)
    found = scores(answers, key)
    assert list(found) == ["lip_sync", "realism", "diversity"]
    assert friedman(found["lip_sync"].means()).p < 0.001
    table = tabulate(found)
    opinions = table[(table.statistic == "mean_opinion") & (table.question == "realism")].set_index("method")
    assert opinions.index.tolist() == [f"simulated {number}" for number in range(1, 8)]
    assert (opinions.participants == 24).all() and np.corrcoef(opinions.value, range(7))[0, 1] < -0.9
    text = report(table, answers, key, {}, simulated=True, proof={"coverage": 0.95})
    assert not [method for method in METHODS if method in text]
    assert text.count("SIMULATED") == 2 and text.index("SIMULATED") < text.index("participants")
