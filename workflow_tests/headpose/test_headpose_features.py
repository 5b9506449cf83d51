"""What is heard of a clip: one vector a frame, in the right band, at the right time."""

import numpy as np
import pytest

from said.files.arrays import write_arrays
from said.headpose.features import BANDS, features_of, log_mel, read_features, write_features


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


def test_what_is_written_is_read_and_other_files_are_refused(tmp_path, encoder):
    features = features_of(tone(300), encoder, 50)
    write_features(tmp_path, "a", *features)
    for one, other in zip(read_features(tmp_path, "a"), features, strict=True):
        np.testing.assert_array_equal(one, other)
    write_arrays(tmp_path / "b.npz", {"mel": features[1]})
    with pytest.raises(ValueError, match="b.npz: holds no features of speech"):
        read_features(tmp_path, "b")
