"""Synthetic speakers at work: what they record, again and again."""

import numpy as np
import pytest

from said.coefficients import fit_coefficients
from said.synthetic import espeak
from said.synthetic.actor import act, cast, face_arrays, face_of, phone_table, phones_of, record
from said.synthetic.head import build_head
from said.synthetic.identities import make_face, sample_identities
from said.synthetic.transcribed import transcribed_speech


@pytest.fixture(scope="module")
def face():
    return make_face(build_head(0), sample_identities(3, 0)[1])


def test_a_face_survives_its_arrays(face):
    again = face_of(face_arrays(face))
    for name, value in face_arrays(face).items():
        assert np.array_equal(face_arrays(again)[name], value), name


def test_a_take_is_the_same_bytes_each_time_and_fits_its_speech(face):
    actor = cast(1, 3, seed=0)
    first, second = (record(actor, face, "She carried a small jar.", voice="formant", noise=1.0) for _ in range(2))
    assert first.frames.tobytes() == second.frames.tobytes()
    assert first.utterance.waveform.tobytes() == second.utterance.waveform.tobytes()
    assert len(first.frames) == len(first.coefficients) == int(first.utterance.duration * 60 + 1e-6)


def test_speakers_differ_in_voice_and_motion(face):
    one, other = (
        record(cast(index, 3, 0), face, "She carried a small jar.", voice="formant", noise=0) for index in (0, 2)
    )
    assert one.utterance.waveform.shape != other.utterance.waveform.shape or (
        np.abs(one.utterance.waveform - other.utterance.waveform).max() > 0.1
    )
    assert cast(0, 3, 0).style.rate != cast(2, 3, 0).style.rate


def test_without_noise_the_blendshapes_explain_nearly_everything(face):
    take = record(cast(1, 3, 0), face, "She carried a small jar.", voice="formant", noise=0)
    coefficients = fit_coefficients(face.template, face.blendshapes, take.frames)
    error = take.frames - face.template - np.tensordot(coefficients, face.blendshapes - face.template, 1)
    assert np.sqrt((error**2).sum(2).mean()) < 1.5e-4


def test_other_takes_are_of_the_same_sentence(face):
    actor = cast(0, 2, 0)
    phones = record(actor, face, "She carried a small jar.", voice="formant", noise=0).utterance.phones
    takes = [act(actor, face, phones, take=take, noise=1.0)[0] for take in (0, 1, 2)]
    assert np.abs(takes[1] - takes[2]).max() > 0.05
    assert np.corrcoef(takes[1][:, 3], takes[2][:, 3])[0, 1] > 0.6  # jawOpen
    assert np.array_equal(takes[1], act(actor, face, phones, take=1, noise=0)[0])
    assert phones_of(phone_table(phones)) == list(phones)


def test_transcribed_speech_labels_every_frame():
    for waveform, rate, labels in transcribed_speech(3, 1):
        assert len(labels) == len(waveform) * 60 // rate
        assert len(set(labels)) > 5 and labels[0] == labels[-1] == 0  # silence, words, silence


@pytest.mark.skipif(not espeak.is_installed(), reason="the optional package espeakng-loader is not installed")
def test_espeak_is_a_voice_like_the_other(face):
    take = record(cast(1, 3, 0), face, "She carried a small jar.", voice="espeak", noise=0)
    assert take.utterance.sample_rate == 22000 and len(take.frames) == len(take.coefficients)
    assert np.abs(take.frames - face.template.astype(np.float32)).max() > 2e-3
