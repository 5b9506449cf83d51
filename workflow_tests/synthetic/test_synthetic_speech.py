"""The synthetic sentences, voices, coefficient trajectories and the release layout."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from said.arkit import SPEECH_BLENDSHAPES
from said.synthetic import espeak, lexicon
from said.synthetic import sentences as grammar
from said.synthetic.durations import schedule
from said.synthetic.formants import SAMPLE_RATE
from said.synthetic.lexicon import LEXICON, pronounce, tokens
from said.synthetic.phonetics import BILABIALS, PHONES, SILENCE, VOWELS, Phone
from said.synthetic.sentences import sentences
from said.synthetic.speech import Voice, sample_voices, speak, speak_phones
from said.synthetic.trajectories import (
    SpeakerStyle,
    coefficients,
    frame_phones,
    limit_rate,
    sample_style,
)
from said.synthetic.visemes import INDEX, VISEMES, columns, lip_aperture, visemes_of

JAW, PUCKER = INDEX["jawOpen"], INDEX["mouthPucker"]
CLOSED_APERTURE = 0.06
"""Lips whose aperture is below this count as shut."""


def vocabulary() -> frozenset[str]:
    """Every word that the grammar can produce."""
    fixed = (word for template in grammar._TEMPLATES for word in without_slots(template))
    chosen = (word for phrases in grammar._CLASSES.values() for phrase in phrases for word in phrase.split())
    return frozenset(fixed) | frozenset(chosen) | {"an"}


def without_slots(template: str) -> list[str]:
    fixed = "".join(part.rpartition("}")[2] for part in template.split("{"))
    return [token for token in lexicon.tokens(fixed) if token not in lexicon.PAUSES]


def bilabial_closures(phones: Sequence[Phone], u: np.ndarray, fps: float = 60) -> np.ndarray:
    """Whether the lips shut on each bilabial.

    Args:
        phones: timed phones.
        u: (N, 32) coefficients of the same sentence.
        fps: frames per second.

    Returns:
        (P,) bool, one per B, M or P: the lips are shut in some frame from 50 ms before it begins to its end.
    """
    aperture = lip_aperture(u)
    times = (np.arange(len(u)) + 0.5) / fps
    closed = []
    for phone in phones:
        if phone.symbol in BILABIALS:
            during = (times >= phone.start - 0.05) & (times <= phone.end)
            closed.append(bool(during.any() and aperture[during].min() < CLOSED_APERTURE))
    return np.array(closed, dtype=bool)


@pytest.fixture(scope="module")
def utterances():
    """48 utterances: six voices, eight sentences each."""
    texts, voices = sentences(48, seed=0), sample_voices(6, seed=0)
    return [speak(text, voices[i // 8], np.random.default_rng(i)) for i, text in enumerate(texts)]


@pytest.fixture(scope="module")
def styles():
    return [sample_style(np.random.default_rng([1, speaker])) for speaker in range(6)]


@pytest.fixture(scope="module")
def takes(utterances, styles):
    """Two takes of each utterance."""
    return [
        [
            coefficients(u.phones, u.duration, styles[i // 8], np.random.default_rng([take, i]))
            for i, u in enumerate(utterances)
        ]
        for take in (0, 1)
    ]


# Sentences and lexicon


def test_lexicon_is_arpabet_and_covers_the_grammar():
    assert vocabulary() == set(LEXICON)
    assert len(LEXICON) > 180
    spoken = set()
    for word, phones in LEXICON.items():
        assert any(phone[-1].isdigit() for phone in phones), f"{word} has no vowel"
        for phone in phones:
            bare = phone.rstrip("012")
            assert bare in PHONES and phone[-1].isdigit() == (bare in VOWELS), (word, phone)
            spoken.add(bare)
    assert spoken == set(PHONES) - {SILENCE}


def test_sentences_are_unique_in_vocabulary_and_reproducible():
    texts = sentences(3000, seed=3)
    assert len(set(texts)) == 3000
    assert texts == sentences(3000, seed=3)
    assert texts[:480] == sentences(480, seed=3)
    assert len(set(texts) & set(sentences(3000, seed=4))) < 30
    for text in texts:
        assert text[0].isupper() and text[-1] in ".?"
        words = [token for token in tokens(text) if token not in ",.?"]
        assert 8 <= len(words) <= 11 and set(words) <= vocabulary()
        for article, following in zip(words, words[1:], strict=False):
            if article in ("a", "an"):
                assert (article == "an") == LEXICON[following][0][-1].isdigit(), text


def test_sentences_refuse_impossible_counts():
    with pytest.raises(ValueError, match="count"):
        sentences(-1, seed=0)


def test_unknown_word_is_named():
    with pytest.raises(ValueError, match="'zeppelin'"):
        speak("The zeppelin moved.", Voice(), np.random.default_rng(0))
    with pytest.raises(ValueError, match="no words"):
        pronounce("...")


def test_the_before_a_vowel():
    assert dict(pronounce("the apple"))["the"] == ("DH", "IY0")
    assert dict(pronounce("the boy"))["the"] == ("DH", "AH0")


# Voices


def test_voices_are_distinct_and_alternate():
    voices = sample_voices(12, seed=0)
    assert voices == sample_voices(12, seed=0) != sample_voices(12, seed=1)
    assert all(voice.f0 < 135 for voice in voices[0::2]) and all(voice.f0 > 160 for voice in voices[1::2])
    for left, right in zip(sorted(v.f0 for v in voices), sorted(v.f0 for v in voices)[1:], strict=False):
        assert right / left > 1.005
    with pytest.raises(ValueError, match="at least one"):
        sample_voices(0, seed=0)


def test_utterances_are_reproducible_to_the_byte():
    text, voice = sentences(1, seed=9)[0], sample_voices(2, seed=9)[1]
    first, second, other = (speak(text, voice, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first.waveform.tobytes() == second.waveform.tobytes() and first.phones == second.phones
    assert first.waveform.tobytes() != other.waveform.tobytes()


def test_utterances_are_well_formed(utterances):
    for u in utterances:
        assert u.sample_rate == 22000 and u.waveform.dtype == np.float32
        assert 2 < u.duration < 7 and 0.5 < np.abs(u.waveform).max() <= 1
        assert u.phones[0].start == 0 and u.phones[-1].end == pytest.approx(u.duration, abs=1e-9)
        for left, right in zip(u.phones, u.phones[1:], strict=False):
            assert left.end == pytest.approx(right.start, abs=1e-9)
        assert all(phone.duration > 0.015 for phone in u.phones)
        for silence in (u.phones[0], u.phones[-1]):
            assert silence.symbol == SILENCE and 0.099 < silence.duration < 0.201
    words = sum(len(u.text.split()) for u in utterances)
    assert 120 < 60 * words / sum(u.duration for u in utterances) < 140


def test_commas_pause_and_final_syllables_lengthen():
    text = "The boy found the book, the book found the boy."
    spoken = [schedule(text, 1.0, np.random.default_rng(seed)) for seed in range(10)]
    assert all([phone.symbol for phone in phones].count(SILENCE) == 3 for phones in spoken)
    boy = np.mean([[p.duration for p in phones if p.symbol == "OY"] for phones in spoken], axis=0)
    book = np.mean([[p.duration for p in phones if p.symbol == "UH"] for phones in spoken], axis=0)
    assert boy[1] > 1.15 * boy[0] and book[0] > 1.15 * book[1]
    assert schedule(text, 2.0, np.random.default_rng(0))[-1].end < 0.6 * spoken[0][-1].end
    with pytest.raises(ValueError, match="rate"):
        schedule(text, 0.0, np.random.default_rng(0))


def test_vowels_are_louder_than_fricatives_and_these_than_silence(utterances):
    def level(kinds):
        phones = [(u.waveform, phone) for u in utterances for phone in u.phones if phone.symbol in kinds]
        parts = [w[round(p.start * SAMPLE_RATE) : round(p.end * SAMPLE_RATE)] for w, p in phones]
        return 10 * np.log10(np.mean(np.concatenate(parts) ** 2))

    assert level(VOWELS) > level({"S", "SH"}) + 3 and level({"S", "SH"}) > level({"F", "TH"}) + 3
    assert level({"F", "TH"}) > level({SILENCE}) + 10


def test_effort_raises_loudness_and_jaw():
    phones = [
        Phone(0, 0.2, SILENCE), Phone(0.2, 0.5, "AA", 1, 0.75), Phone(0.5, 0.7, "G"), Phone(0.7, 1.0, "AA", 1, 1.3),
        Phone(1.0, 1.2, SILENCE),
    ]  # fmt: skip
    waveform = speak_phones("", phones, Voice(pitch_range=0.0), np.random.default_rng(0)).waveform
    soft, loud = (np.std(waveform[round(a * 22000) : round((a + 0.2) * 22000)]) for a in (0.25, 0.75))
    jaw = coefficients(phones, 1.2, SpeakerStyle(), np.random.default_rng(0), variation=0.0)[:, JAW]
    assert loud > 1.3 * soft and jaw[42:60].max() > 1.3 * jaw[12:30].max()


# espeak-ng


def test_espeak_events_become_phones():
    events = [[100, "b"], [200, "'aI"], [400, "@L"], [600, "_:"], [700, "_"]]
    phones = espeak.phones_from_events(events, 800, 1000)
    assert [(p.symbol, p.stress) for p in phones] == [
        ("SIL", 0), ("B", 0), ("AY", 1), ("AH", 0), ("L", 0), ("SIL", 0),
    ]  # fmt: skip
    assert phones[3].end == pytest.approx(0.5) and phones[-1].end == pytest.approx(0.8)
    with pytest.raises(ValueError, match="qq"):
        espeak.phones_from_events([[0, "qq"]], 10, 1000)


def test_espeak_missing_names_the_package(monkeypatch):
    monkeypatch.setattr(espeak, "is_installed", lambda: False)
    with pytest.raises(ModuleNotFoundError, match="pip install espeakng-loader"):
        espeak.speak("The boy.", espeak.EspeakVoice())


@pytest.mark.skipif(not espeak.is_installed(), reason="the optional package espeakng-loader is not installed")
def test_espeak_speaks_reproducibly():
    import sys

    for voice in espeak.sample_voices(2, seed=0):
        first, second = (espeak.speak("The queen bought a purple map.", voice) for _ in range(2))
        assert first.waveform.tobytes() == second.waveform.tobytes() and first.phones == second.phones
        assert first.sample_rate == 22000 and 1.5 < first.duration < 6 and 0.1 < np.abs(first.waveform).max() <= 1
        spoken = [phone.symbol for phone in first.phones if phone.symbol in "K W P M B".split()]
        assert spoken == ["K", "W", "B", "P", "P", "M", "P"]
        u = coefficients(first.phones, first.duration, SpeakerStyle(), np.random.default_rng(0))
        assert bilabial_closures(first.phones, u).all()
    assert "espeakng_loader" not in sys.modules
    with pytest.raises(RuntimeError, match="no voice variant 'nobody'"):
        espeak.speak("The boy.", espeak.EspeakVoice("nobody"))


# Trajectories


def test_every_viseme_is_used_and_in_the_box():
    used = {name for symbol in PHONES for stress in (0, 1) for name in visemes_of(symbol, stress)}
    assert used == set(VISEMES)
    for viseme in VISEMES.values():
        assert viseme.target.shape == (32,) and viseme.target.min() >= 0 and viseme.target.max() <= 1
    assert VISEMES["AA"].target[JAW] > 2 * VISEMES["IY"].target[JAW]
    with pytest.raises(ValueError, match="'QQ'"):
        visemes_of("QQ")


def test_coefficients_have_shape_box_and_rate(utterances, takes):
    for u, take in zip(utterances, takes[0], strict=True):
        assert take.shape == (int(u.duration * 60 + 1e-6), len(SPEECH_BLENDSHAPES)) and take.dtype == np.float64
        assert take.min() >= 0 and take.max() <= 1
        assert np.abs(np.diff(take, axis=0)).max() <= 0.1


def test_bilabials_close_and_vowels_open(utterances, takes):
    closed = np.concatenate([bilabial_closures(u.phones, t) for u, t in zip(utterances, takes[0], strict=True)])
    assert len(closed) > 100 and closed.mean() >= 0.97
    # The same measure must see open lips as open: without the bilabials' visemes hardly any closure remains.
    swapped = []
    for u in utterances[:8]:
        phones = [replace(p, symbol="L") if p.symbol in BILABIALS else p for p in u.phones]
        other = coefficients(phones, u.duration, SpeakerStyle(), np.random.default_rng(0))
        swapped.append(bilabial_closures(u.phones, other))
    assert np.concatenate(swapped).mean() < 0.3


def test_takes_are_reproducible_differ_and_correlate(utterances, styles, takes):
    again = coefficients(utterances[0].phones, utterances[0].duration, styles[0], np.random.default_rng([0, 0]))
    assert again.tobytes() == takes[0][0].tobytes()
    first, second = np.concatenate(takes[0]), np.concatenate(takes[1])
    for column in (JAW, PUCKER, INDEX["mouthPressLeft"]):
        assert 0.75 < np.corrcoef(first[:, column], second[:, column])[0, 1] < 0.97
    # What is not speech does not repeat.
    assert abs(np.corrcoef(first[:, INDEX["mouthLeft"]], second[:, INDEX["mouthLeft"]])[0, 1]) < 0.35
    assert np.sqrt(np.mean((first - second) ** 2)) > 0.2 * first.std(axis=0).mean()


def test_without_variation_the_generator_does_not_matter(utterances):
    u = utterances[0]
    calm = [
        coefficients(u.phones, u.duration, SpeakerStyle(), np.random.default_rng(seed), variation=0.0)
        for seed in (0, 1)
    ]
    assert np.array_equal(*calm)


def test_motion_leads_the_sound():
    phones = [Phone(0, 0.5, SILENCE), Phone(0.5, 0.7, "UW", 1), Phone(0.7, 1.2, SILENCE)]
    peaks = []
    for lead in (0.0, 0.045, 0.10):
        u = coefficients(phones, 1.2, SpeakerStyle(lead=lead), np.random.default_rng(0), fps=600, variation=0.0)
        weights = u[:, PUCKER] ** 4
        peaks.append((weights * (np.arange(len(u)) + 0.5) / 600).sum() / weights.sum())
    assert peaks[0] == pytest.approx(0.6, abs=0.003)
    assert peaks[0] - peaks[1] == pytest.approx(0.045, abs=0.004)
    assert peaks[0] - peaks[2] == pytest.approx(0.10, abs=0.004)


def test_speaker_styles_differ_and_leads_are_anticipatory():
    styles = [sample_style(np.random.default_rng(seed)) for seed in range(200)]
    leads = np.array([style.lead for style in styles])
    assert leads.mean() == pytest.approx(0.045, abs=0.004) and leads.std() == pytest.approx(0.015, abs=0.003)
    assert leads.min() > 0 and len({style.rate for style in styles}) == 200
    assert all(style.gain.min() > 0.3 and style.base.min() >= 0 for style in styles)
    left, right = columns("mouthPress")
    ratio = [style.gain[left] / style.gain[right] for style in styles]
    assert np.std(np.log(ratio)) < np.std(np.log([style.gain[left] for style in styles]))


def test_rate_limit_is_a_lipschitz_envelope():
    rng = np.random.default_rng(0)
    u = rng.uniform(0, 1, (50, 32))
    limited = limit_rate(u)
    assert np.abs(np.diff(limited, axis=0)).max() <= 0.1 and limited.min() >= 0 and limited.max() <= 1
    frames = np.arange(50)
    cone = 0.1 * np.abs(frames[:, None] - frames)
    np.testing.assert_allclose(limited[:, JAW], (u[:, JAW] + cone).min(axis=1), atol=1e-5)
    roll = INDEX["mouthRollLower"]
    np.testing.assert_allclose(limited[:, roll], (u[:, roll] - cone).max(axis=1), atol=1e-5)
    pucker = ((u[:, PUCKER] + cone).min(axis=1) + (u[:, PUCKER] - cone).max(axis=1)) / 2
    np.testing.assert_allclose(limited[:, PUCKER], pucker, atol=1e-5)
    slow = 0.5 + 0.4 * np.sin(np.arange(200) / 10)[:, None] * np.ones(32)
    np.testing.assert_allclose(limit_rate(slow), slow, atol=1e-12)


def test_lip_aperture_of_known_faces():
    u = np.zeros((3, 32))
    u[1, JAW] = 0.4
    u[2, [JAW, INDEX["mouthClose"]]] = 0.4
    np.testing.assert_allclose(lip_aperture(u), [0, 0.4, 0], atol=1e-12)


def test_frame_labels_follow_the_phones():
    phones = [Phone(0, 0.1, SILENCE), Phone(0.1, 0.2, "B"), Phone(0.2, 0.4, "AA", 1)]
    labels = frame_phones(phones, 30)
    expected = [SILENCE] * 6 + ["B"] * 6 + ["AA"] * 12 + [SILENCE] * 6
    assert [PHONES[label] for label in labels] == expected


def test_bad_phones_are_refused():
    style, rng = SpeakerStyle(), np.random.default_rng(0)
    with pytest.raises(ValueError, match="'QQ'"):
        coefficients([Phone(0, 1, "QQ")], 1.0, style, rng)
    with pytest.raises(ValueError, match="before the previous"):
        coefficients([Phone(0, 0.6, "AA"), Phone(0.5, 1, "B")], 1.0, style, rng)
    with pytest.raises(ValueError, match="fewer than two frames"):
        coefficients([Phone(0, 1, "AA")], 0.01, style, rng)
    with pytest.raises(ValueError, match="no phones"):
        coefficients([], 1.0, style, rng)


def test_sound_predicts_motion_across_speakers(utterances, takes):
    """Ridge regression on log spectra: held-out speakers, new sentences; and not when the sound is shifted."""

    def features(u, frames, shift):
        centres = ((np.arange(frames) + 0.5) / 60 * SAMPLE_RATE).astype(int)
        padded = np.pad(u.waveform.astype(float), 512)
        windows = padded[centres[:, None] + np.arange(1024)] * np.hanning(1024)
        power = np.abs(np.fft.rfft(windows))[:, 2:402].reshape(frames, 40, 10) ** 2
        log = np.log(power.sum(axis=2) + 1e-4)
        log = (log - log.mean(axis=0)) / (log.std(axis=0) + 0.3)
        index = np.clip(np.arange(frames)[:, None] + np.arange(-9, 10, 3) + shift, 0, frames - 1)
        return np.concatenate([log[index].reshape(frames, -1), np.ones((frames, 1))], axis=1)

    def correlation(shift):
        x = [features(u, len(t), shift) for u, t in zip(utterances, takes[0], strict=True)]
        return np.corrcoef(np.concatenate(x[32:]) @ solution, np.concatenate(takes[0][32:])[:, JAW])[0, 1]

    train = np.concatenate([features(u, len(t), 0) for u, t in zip(utterances[:32], takes[0], strict=False)])
    target = np.concatenate(takes[0][:32])[:, JAW]
    solution = np.linalg.solve(train.T @ train + 100 * np.eye(train.shape[1]), train.T @ target)
    assert correlation(0) > 0.65
    assert correlation(8) < 0.5 * correlation(0) and correlation(-8) < 0.5 * correlation(0)
