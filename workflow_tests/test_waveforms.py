"""Speech as a waveform: how many frames it lasts, its rate and length."""

import numpy as np
import pytest

from said.waveforms import fit_length, frame_count, prepare_waveform


def test_frame_counts_are_exact():
    assert frame_count(48000, 16000) == 180
    assert frame_count(22050, 22050) == 60
    assert frame_count(22050 * 7 - 1, 22050) == 419
    for frames in range(1, 2000):  # int(samples / rate * 60) loses some of these
        samples = -(-frames * 22000 // 60)
        assert frame_count(samples, 22000) == frames
    assert frame_count(0, 16000) == 0
    with pytest.raises(ValueError, match="rate"):
        frame_count(10, 0)


def test_truncated_frame_counts_lose_a_frame_of_some_lengths():
    whole = [frames * 16000 // 60 for frames in range(3, 3000, 3)]  # 60 frames a second: every third is whole samples
    lost = [samples for samples in whole if frame_count(samples, 16000, rounding="truncated") != samples * 60 // 16000]
    assert 0 < len(lost) < len(whole) / 2
    for samples in lost:
        assert frame_count(samples, 16000, rounding="truncated") == frame_count(samples, 16000) - 1
    with pytest.raises(ValueError, match="exact or truncated"):
        frame_count(16000, 16000, rounding="up")


def test_resampling_keeps_pitch_and_time():
    time = np.arange(22050 * 2) / 22050
    waveform = prepare_waveform(np.sin(2 * np.pi * 440 * time).astype(np.float32), 22050)
    assert abs(len(waveform) - 32000) <= 1
    expected = np.sin(2 * np.pi * 440 * np.arange(len(waveform)) / 16000)
    assert np.abs(waveform - expected)[1000:-1000].max() < 1e-2
    same = np.ones(5, dtype=np.float32)
    np.testing.assert_array_equal(prepare_waveform(same, 16000), same)


@pytest.mark.parametrize("waveform", [np.zeros(0), np.zeros((2, 5)), np.array([0.0, np.nan])])
def test_bad_waveforms_are_refused(waveform):
    with pytest.raises(ValueError, match="waveform"):
        prepare_waveform(waveform, 16000)


def test_lengths_are_fitted():
    np.testing.assert_array_equal(fit_length(np.arange(5.0), 3), [0, 1, 2])
    np.testing.assert_array_equal(fit_length(np.arange(3.0), 5), [0, 1, 2, 0, 0])
