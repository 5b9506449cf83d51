"""What is heard of a clip: one vector a frame, in the right band, at the right time."""

import numpy as np
import pytest

from said.files.arrays import write_arrays
from said.headpose.features import BANDS, features_of, level, log_mel, read_features, states_of, write_features


def tone(hertz, seconds=2.0):
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * 16000)) / 16000).astype(np.float32)


def test_a_tone_is_in_its_band():
    peaks = [log_mel(tone(hertz))[20].argmax() for hertz in (200, 500, 1000, 3000, 7000)]
    assert peaks == sorted(set(peaks)) and 0 <= peaks[0] and peaks[-1] < BANDS
    mel = 2595 * np.log10(1 + 1000 / 700)
    lowest, highest = (2595 * np.log10(1 + hertz / 700) for hertz in (60, 7600))
    assert peaks[2] == pytest.approx((mel - lowest) / (highest - lowest) * (BANDS + 1) - 1, abs=1)


def test_a_burst_is_in_its_frame():
    sound = np.zeros(32000, np.float32)
    sound[16000 + 200 : 16000 + 440] = tone(1000)[:240]  # in the middle of frame 25
    assert log_mel(sound).shape == (50, BANDS)
    assert log_mel(sound).max(1).argmax() == 25


def test_features_have_the_frames_that_are_asked_for(encoder):
    semantic, mel = features_of(tone(300), encoder, 60)  # longer than the sound
    assert semantic.dtype == np.float16 and semantic.shape == (60, encoder.config.hidden_size)
    assert mel.dtype == np.float32 and mel.shape == (60, BANDS)
    assert np.isfinite(semantic).all() and mel[55].max() == pytest.approx(np.log(1e-4))


def loud_and_quiet():
    """Two seconds: half of each is a tone of 300 Hz, first at a third of its loudness; then near silence."""
    sound = np.concatenate([tone(300, 0.7) / 3, tone(300, 0.7), 1e-5 * tone(300, 0.6)])
    return sound.astype(np.float32)


def test_levelled_speech_is_as_loud_everywhere_and_no_pause_is_filled():
    made = level(loud_and_quiet())
    quiet, loud, pause = (np.sqrt(np.square(made[first : first + 4800]).mean()) for first in (3200, 14400, 27200))
    assert made.shape == (32000,) and made.dtype == np.float32
    assert quiet == pytest.approx(loud, rel=0.02) and pause < 0.01 * loud
    np.testing.assert_allclose(level(0.1 * loud_and_quiet()), made, rtol=1e-3, atol=1e-6)
    assert not level(np.zeros(800)).any()


def test_how_loud_a_word_is_does_not_change_levelled_features(encoder):
    flat = tone(300, 1.4)
    apart = {
        given: np.abs(states_of(loud_and_quiet(), encoder, 30, given) - states_of(flat, encoder, 30, given))[
            2:12
        ].mean()
        for given in ("speech", "levelled")
    }
    assert apart["levelled"] < 0.25 * apart["speech"]


def test_what_is_written_is_read_and_other_files_are_refused(tmp_path, encoder):
    semantic, mel = features_of(tone(300), encoder, 50)
    write_features(tmp_path, "a", {"speech": semantic}, mel)
    for one, other in zip(read_features(tmp_path, "a"), (semantic, mel), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match=r"a.npz: lacks the features of speech as it is given \(levelled\)"):
        read_features(tmp_path, "a", "levelled")
    write_features(tmp_path, "b", {"speech": semantic[1:]}, mel)
    with pytest.raises(ValueError, match=r"b.npz: holds features of different lengths"):
        read_features(tmp_path, "b")
    write_arrays(tmp_path / "c.npz", {"speech": semantic, "semantic": semantic, "mel": mel})
    with pytest.raises(ValueError, match=r"c.npz: lacks the features of speech as it is given \(speech\)"):
        read_features(tmp_path, "c")
