"""Synthesised vowels have the formants and the pitch that were asked for."""

import numpy as np
import pytest
from scipy.linalg import solve_toeplitz
from scipy.signal import resample_poly

from said.synthetic.formants import DIPHTHONG_FORMANTS, HOP, SAMPLE_RATE, VOWEL_FORMANTS, Source, synthesise
from said.synthetic.phonetics import SILENCE, Phone
from said.synthetic.speech import Voice, speak_phones


def _formants_by_linear_prediction(waveform, order=12):
    """Resonances in Hz below 5 kHz, by the autocorrelation method."""
    signal = resample_poly(waveform.astype(float), 5, 11)  # 10 kHz
    signal = np.diff(signal, prepend=0) * np.hamming(len(signal))
    correlation = np.correlate(signal, signal, "full")[len(signal) - 1 :][: order + 1]
    predictor = solve_toeplitz(correlation[:-1], correlation[1:])
    roots = np.roots(np.concatenate([[1], -predictor]))
    roots = roots[(roots.imag > 0) & (np.abs(roots) > 0.9)]
    return np.sort(np.angle(roots) * 10000 / (2 * np.pi))


@pytest.mark.parametrize("scale", [1.0, 1.15])
@pytest.mark.parametrize("vowel", sorted(set(VOWEL_FORMANTS) - {"AX"}))
def test_sustained_vowels_have_their_formants(vowel, scale):
    phones = [Phone(0, 0.6, vowel, 1)]
    pitch = np.full(int(np.ceil(0.6 * SAMPLE_RATE / HOP)) + 1, 80.0)
    waveform = synthesise(phones, pitch, 0.6, Source(formant_scale=scale, breathiness=0.05), np.random.default_rng(0))
    found = _formants_by_linear_prediction(waveform[2000:11000])
    for target in np.array(VOWEL_FORMANTS[vowel][:2]) * scale:
        assert np.min(np.abs(found / target - 1)) < 0.10, (vowel, target, found)


def test_diphthongs_glide():
    (_, second_start, _), (_, second_end, _) = DIPHTHONG_FORMANTS["AY"]
    phones = [Phone(0, 0.8, "AY", 1)]
    pitch = np.full(int(np.ceil(0.8 * SAMPLE_RATE / HOP)) + 1, 80.0)
    waveform = synthesise(phones, pitch, 0.8, Source(breathiness=0.05), np.random.default_rng(0))
    early, late = (_formants_by_linear_prediction(part) for part in (waveform[500:4000], waveform[13500:17000]))
    assert np.min(np.abs(early / second_start - 1)) < 0.1 and np.min(np.abs(late / second_end - 1)) < 0.1


@pytest.mark.parametrize("f0", [95.0, 200.0])
def test_voiced_phones_have_the_voice_pitch(f0):
    voice = Voice(f0=f0, pitch_range=0.0)
    phones = [Phone(0, 0.1, SILENCE), Phone(0.1, 0.9, "AH", 1), Phone(0.9, 1.0, SILENCE)]
    waveform = speak_phones("", phones, voice, np.random.default_rng(0)).waveform[6000:12000].astype(float)
    correlation = np.correlate(waveform, waveform, "full")[len(waveform) - 1 :]
    lags = np.arange(int(SAMPLE_RATE / 400), int(SAMPLE_RATE / 60))
    assert SAMPLE_RATE / lags[correlation[lags].argmax()] == pytest.approx(f0, rel=0.03)
