"""The generator of head gestures: each gesture where its cause is, and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest

from said.synthetic.gesture import HeadStyle, Sentence, gestures, nevers, sample_head_style, stresses
from said.synthetic.phonetics import Phone

STYLE = HeadStyle(nod=5.0, width=0.1, lead=0.02, yaw=0.0, tilt=-4.0, shake=6.0, drift=0.0, rest=np.zeros(3))
STRESSED = [Phone(2.0, 2.2, "AA", 1, 1.3), Phone(5.0, 5.1, "AH", 0, 1.3), Phone(6.0, 6.2, "IY", 2, 1.3)]
NEVER = [Phone(3.0 + 0.1 * k, 3.1 + 0.1 * k, symbol, 0) for k, symbol in enumerate(("N", "EH", "V", "ER"))]


def moved(phones, sentences=(), style=STYLE, seed=0, fps=25.0, frames=200, variation=0.0):
    return gestures(phones, sentences, style, np.random.default_rng(seed), fps, frames, variation)


def test_a_stressed_vowel_is_nodded_at_and_others_are_not():
    takes = [moved(STRESSED, seed=seed)[:, 0] for seed in range(20)]
    nods = [take for take in takes if np.abs(take).max() > 0]
    assert len(nods) >= 15  # by its effort, with a probability of .925
    for nod in nods:
        assert abs((nod.argmax() + 0.5) / 25 - (2.08 - 0.02)) <= 0.03  # at the nucleus, less the lead
        assert np.abs(nod[(np.arange(200) < 30) | (np.arange(200) > 70)]).max() < 0.02
        assert 0 < -nod.min() < 0.5 * nod.max()  # the rise before


def test_effort_deepens_the_nod():
    depth = [
        np.mean([moved([replace(STRESSED[0], effort=effort)], seed=seed)[:, 0].max() for seed in range(40)])
        for effort in (0.8, 1.0, 1.3)
    ]
    assert depth[0] < 0.5 * depth[1] < depth[1] < 0.75 * depth[2]


def test_a_question_tilts_and_the_next_statement_does_not():
    sentences = [Sentence(0.5, 3.0, True), Sentence(3.5, 7.0, False)]
    roll = moved(STRESSED[1:], sentences)[:, 2]
    assert roll[:15].max() == 0
    np.testing.assert_allclose(roll[35:85], -4.0)
    np.testing.assert_allclose(roll[110:], 0, atol=1e-9)


def test_never_shakes_the_head_and_nothing_else_does():
    assert nevers(NEVER) == pytest.approx([3.2])
    yaw = moved(NEVER)[:, 1]
    near = np.abs((np.arange(200) + 0.5) / 25 - 3.25) < 1
    assert np.abs(yaw).max() > 4
    assert np.count_nonzero(np.diff(np.sign(yaw[near]))) >= 5
    assert np.abs(yaw[~near]).max() < 0.02
    assert np.abs(moved(STRESSED)[:, 1]).max() == 0


def test_stresses_are_the_nuclei_with_their_effort():
    np.testing.assert_allclose(stresses(STRESSED), [[2.08, 1.3]])
    assert stresses(NEVER).shape == (0, 2)
    assert nevers(STRESSED).shape == (0,)


def test_a_take_is_the_same_at_every_frame_rate_and_another_is_another():
    style = sample_head_style(np.random.default_rng(1))
    sentences = [Sentence(0.5, 3.0, True), Sentence(3.5, 7.0, False)]
    slow, fast = (moved([*STRESSED[:1], *NEVER, *STRESSED[1:]], sentences, style, 3, *size, variation=1.0)
                  for size in ((25, 200), (75, 600)))  # fmt: skip
    np.testing.assert_allclose(slow[2:-2], fast[1::3][2:-2], atol=0.25)
    assert np.abs(slow - fast[1::3]).mean() < 0.02
    other = moved(STRESSED, sentences, style, 4, variation=1.0)
    assert np.abs(slow - other).mean() > 0.5


def test_phones_out_of_order_are_refused():
    with pytest.raises(ValueError, match="starts before"):
        moved(STRESSED[::-1])
