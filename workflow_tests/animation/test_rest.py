"""A face at rest in silence: where and how smoothly, with speech and what is kept untouched; live without foresight."""

import json

import numpy as np
import pytest
import soundfile
from helpers import Samples, babble

from said.animation.rest import RAMP, REST, LiveRest, heard, powers, rest, shares
from said.commands import main
from said.corpus import FRAME_RATE
from said.files.tables import read_coefficients

FRAMES = 600


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    """Ten seconds at 16 kHz: sound, but for 2 to 4 s, which is digitally silent, 6 to 6.3 s, and 8 to 10 s, a room."""
    values = babble(10.0) - 0.01
    values[32000:64000] = values[96000:100800] = 0
    values[128000:] = 2e-4 * np.random.default_rng(1).standard_normal(32000)
    values[:96000] += 0.05  # as cheap devices have it: silence is not 0
    return values


@pytest.fixture(scope="module")
def made() -> np.ndarray:
    return np.random.default_rng(0).random((FRAMES, 32)).astype(np.float32)


def at_rest(coefficients, speech, seconds=REST, kept=None):
    return rest(coefficients, heard(Samples(speech), len(coefficients)), seconds, kept)


def test_it_rests_in_silence_and_speech_stays_to_the_last_bit(talk, made):
    rested, seconds = at_rest(made, talk)
    silent = np.zeros(FRAMES, bool)
    for begin, end in ((120, 240), (480, 600)):
        silent[begin:end] = True
        near = int(REST / 2 * FRAME_RATE)
        assert np.array_equal(rested[begin : begin + near], made[begin : begin + near])
        # What comes after the end of a recording is not known, and nothing is waited for there.
        assert end == FRAMES or np.array_equal(rested[end - near : end], made[end - near : end])
        reach = int((REST / 2 + RAMP) * FRAME_RATE) + 3
        assert not rested[begin + reach : end - (0 if end == FRAMES else reach)].any()
    assert np.array_equal(rested[~silent], made[~silent])  # the short pause, and all that is said
    assert 2.5 < seconds < 4
    smooth, _ = at_rest(np.ones_like(made), talk)
    assert np.abs(np.diff(smooth, axis=0)).max() < 2 / (RAMP * FRAME_RATE)


def test_nothing_changes_where_nobody_pauses_or_rest_is_off(talk, made):
    for speech, seconds in ((babble(10.0), REST), (talk, 0.0)):
        rested, resting = at_rest(made, speech, seconds)
        assert np.array_equal(rested, made) and resting == 0
    assert not shares(np.zeros(int(REST * FRAME_RATE), bool)).any()  # as long as is asked for, and no longer
    assert not shares(np.zeros(0, bool)).size and shares(np.zeros(60, bool)).max() == 1


@pytest.mark.parametrize("gain", [0.05, 1.0, 8.0])
def test_how_loud_a_recording_is_does_not_matter(talk, made, gain):
    assert np.array_equal(at_rest(made, gain * talk)[0], at_rest(made, talk)[0])


def test_what_is_kept_of_an_earlier_take_moves_on_and_its_neighbours_with_it(talk, made):
    kept = np.zeros_like(made, bool)
    kept[:, 3] = kept[170:180] = True
    rested, _ = at_rest(made, talk, kept=kept)
    assert np.array_equal(rested[kept], made[kept]) and np.array_equal(rested[160:190], made[160:190])
    assert not rested[145:149, 4:].any() and not rested[203:217, 4:].any()


@pytest.mark.parametrize(("noise", "rests"), [(0.004, True), (0.03, False)])
def test_noise_of_a_room_is_no_sound_where_speech_is_well_above_it(talk, made, noise, rests):
    room = talk + noise * np.random.default_rng(2).standard_normal(len(talk))
    rested, _ = at_rest(made, room)
    assert (not rested[145:215].any()) == rests and np.array_equal(rested[:120], made[:120])
    assert np.array_equal(rested[250:480], made[250:480])
    # A voice that is low there, by 16 dB, wavers as voices do, and is no noise.
    room[32000:64000] += 0.15 * talk[:32000]
    assert np.array_equal(at_rest(made, room)[0][:480], made[:480])


def test_power_is_that_around_each_frame_however_it_is_read(talk):
    whole = powers(Samples(talk), 0, FRAMES)
    assert len(whole) == FRAMES
    values = talk.astype(np.float32).astype(float)
    alone = np.array([values[n * 16000 // 60 : (n + 1) * 16000 // 60].var() for n in range(FRAMES)])
    for frame in (0, 1, 2, 317, 598, 599):
        np.testing.assert_allclose(whole[frame], alone[max(0, frame - 2) : frame + 3].mean(), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(powers(Samples(talk), 100, 200)[:-2], whole[100:198])
    assert not len(powers(Samples(talk), 5, 5)) and not powers(Samples(talk), FRAMES + 2, FRAMES + 9).any()


def live(talk: np.ndarray, made: np.ndarray, step: int = 30) -> np.ndarray:
    """What is sent, by a speech of which no step reads more than has been heard."""

    class Heard(Samples):
        heard = 0

        def read(self, begin: int, end: int) -> np.ndarray:
            assert end <= self.heard
            return super().read(begin, end)

    resting, speech, sent = LiveRest(), Heard(talk), []
    for begin in range(0, len(made), step):
        speech.heard = min(begin + step, len(made)) * 16000 // 60
        sent.append(resting(made[begin : begin + step], speech, begin))
    return np.concatenate(sent)


def test_live_it_rests_too_without_foresight_and_without_a_leap(talk, made):
    sent = live(talk, made)
    assert not sent[150:230].any() and not sent[510:].any()
    assert np.array_equal(sent[:120], made[:120]) and np.array_equal(sent[260:480], made[260:480])
    smooth = live(talk, np.ones_like(made))
    assert np.abs(np.diff(smooth, axis=0)).max() <= 1.01 / (RAMP * FRAME_RATE)
    before_speech = live(np.concatenate([np.zeros(32000), talk]), np.ones((120 + FRAMES, 32), np.float32))
    assert not before_speech[:100].any() and before_speech[130:240].all()


def test_it_is_an_option_that_the_report_states(model_folder, talk, tmp_path, capsys):
    soundfile.write(tmp_path / "a.wav", talk[:80000], 16000)
    arguments = ["animate", str(tmp_path / "a.wav"), "--model", str(model_folder), "--steps", "1"]
    arguments += ["--formats", "coefficients"]
    assert main([*arguments, "--out", str(tmp_path / "on")]) == 0
    assert main([*arguments, "--out", str(tmp_path / "off"), "--rest", "0"]) == 0
    on, off = (read_coefficients(tmp_path / name / "a/coefficients.csv") for name in ("on", "off"))
    assert not on[150:210].any() and off[150:210].any() and np.array_equal(on[:120], off[:120])
    reports = [json.loads((tmp_path / name / "a/report.json").read_text()) for name in ("on", "off")]
    assert [report["settings"]["rest"] for report in reports] == [REST, 0.0]
    assert reports[0]["seconds_at_rest"] > 1 and reports[1]["seconds_at_rest"] == 0
    assert reports[0]["takes"] == reports[1]["takes"]  # borders of windows are those of what was sampled
    assert main([*arguments, "--out", str(tmp_path / "none"), "--rest", "-1"]) == 1
    assert "rest must be at least 0 s" in capsys.readouterr().err
