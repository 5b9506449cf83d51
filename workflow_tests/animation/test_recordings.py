"""Recordings: every kind is read in blocks, what is missing is said, what is of no use is refused in one line."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from said.animation.inputs import Recording, find_recordings
from said.animation.recordings import RecordingError, decode
from said.files.audio import read_recording
from said.waveforms import prepare_waveform

SECONDS = 2.0


def tone(rate: int, channels: int = 1) -> np.ndarray:
    time = np.arange(round(SECONDS * rate)) / rate
    return np.repeat((0.3 * np.sin(2 * np.pi * 440 * time))[:, None], channels, axis=1).astype(np.float32)


def encoded(path: Path, codec: str, rate: int = 48000, **options: str) -> Path:
    with av.open(str(path), "w", options=options) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(rate).T.copy(), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        resampler = av.AudioResampler(format=stream.codec_context.format or "fltp", layout="mono", rate=rate)
        for part in (*resampler.resample(frame), *resampler.resample(None), None):
            file.mux(stream.encode(part))
    return path


def read(path: Path, folder: Path):
    decoded = decode(Recording(path, "a"), folder / "speech.f32", folder / "sound.wav")
    return decoded, decoded.waveform.read(0, decoded.waveform.samples)


def refusal(path: Path, folder: Path) -> str:
    with pytest.raises(RecordingError) as error:
        read(path, folder)
    text = str(error.value)
    assert text.startswith(f"{path}: ") and "\n" not in text
    assert not [word for word in ("damaged", "remove", "delete") if word in text]
    assert not (folder / "sound.wav").exists()
    return text


FILES = [
    *(("wav", form, rate, channels) for form, rate, channels in
      [("PCM_16", 8000, 1), ("PCM_24", 44100, 2), ("FLOAT", 192000, 1), ("PCM_U8", 22050, 6), ("DOUBLE", 11025, 1),
       ("ALAW", 8000, 1), ("IMA_ADPCM", 16000, 1)]),
    ("flac", "PCM_24", 96000, 2), ("ogg", "VORBIS", 44100, 2), ("mp3", "MPEG_LAYER_III", 44100, 1),
    ("aiff", "PCM_16", 16000, 1), ("caf", "PCM_16", 16000, 2),
]  # fmt: skip


@pytest.mark.parametrize(("suffix", "coding", "rate", "channels"), FILES)
def test_any_rate_depth_and_number_of_channels_is_read(tmp_path, suffix, coding, rate, channels):
    path = tmp_path / f"Grüße an «Zoë».{suffix}"
    soundfile.write(path, tone(rate, channels), rate, subtype=coding)
    decoded, speech = read(path, tmp_path)
    assert decoded.warnings == () and abs(decoded.seconds - SECONDS) < 0.06 and abs(decoded.frames - 120) <= 4
    spectrum = np.abs(np.fft.rfft(speech[4000:20000] * np.hanning(16000)))
    assert np.argmax(spectrum) == 440
    sound, kept = soundfile.read(tmp_path / "sound.wav")
    assert kept == min(rate, 48000) and abs(len(sound) / kept - decoded.seconds) < 0.001
    assert np.abs(sound[len(sound) // 4 : -len(sound) // 4]).max() == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [("m4a", "aac", {}), ("m4a", "aac", {"movflags": "faststart"}), ("mp4", "aac", {}),
     ("mp4", "aac", {"movflags": "frag_keyframe+empty_moov"}), ("webm", "libopus", {}), ("mkv", "aac", {}),
     ("opus", "libopus", {}), ("aac", "aac", {}), ("mp3", "libmp3lame", {}), ("mov", "pcm_s16le", {})],
)  # fmt: skip
def test_what_telephones_and_browsers_record_is_read_and_what_is_cut_off_to_its_end(tmp_path, suffix, codec, options):
    path = encoded(tmp_path / f"memo.{suffix}", codec, **options)
    decoded, speech = read(path, tmp_path)
    assert decoded.warnings == () and abs(decoded.seconds - SECONDS) < 0.06
    assert np.argmax(np.abs(np.fft.rfft(speech[4000:20000] * np.hanning(16000)))) == 440

    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    (tmp_path / "sound.wav").unlink()
    if suffix in ("m4a", "mp4", "mov") and not options:  # their index is at their end
        assert "index at its end is missing" in refusal(path, tmp_path)
        return
    half, _ = read(path, tmp_path)
    assert 0.5 < half.seconds < 1.5
    if suffix != "aac":  # which says of nothing how long it is
        assert len(half.warnings) == 1 and "cut off" in half.warnings[0]


@pytest.mark.parametrize(
    ("suffix", "coding"),
    [("wav", "PCM_16"), ("wav", "FLOAT"), ("flac", "PCM_16"), ("ogg", "VORBIS"), ("aiff", "PCM_16")],
)
def test_a_cut_off_file_is_read_to_its_end_and_warned_of(tmp_path, suffix, coding):
    path = tmp_path / f"a.{suffix}"
    rng = np.random.default_rng(0)  # noise, which no codec makes so small that half of the file would be its header
    soundfile.write(path, 0.1 * rng.standard_normal(5 * 16000), 16000, subtype=coding)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    decoded, _ = read(path, tmp_path)
    assert 1.5 < decoded.seconds < 3 and len(decoded.warnings) == 1 and "cut off" in decoded.warnings[0]


def test_blocks_are_the_same_sound_as_the_whole(tmp_path, official):
    path = official / "test_sentence.wav"
    decoded, speech = read(path, tmp_path)
    whole = prepare_waveform(*read_recording(path))
    assert abs(len(speech) - len(whole)) <= 1
    count = min(len(speech), len(whole))
    assert np.abs(speech[:count] - whole[:count]).max() < 1e-4
    part = decoded.waveform.read(count - 100, count + 400)
    assert np.array_equal(part[:100], speech[count - 100 : count]) and not part[-300:].any()


def test_the_name_of_a_file_changes_nothing_but_the_name(tmp_path, official):
    content = (official / "test_sentence.wav").read_bytes()
    digests = set()
    for name in ("a.wav", "b.flac"):
        (tmp_path / name).write_bytes(content)
        digests.add(read(tmp_path / name, tmp_path)[0].digest)
    assert len(digests) == 1


def test_what_is_of_no_use_is_refused_in_one_line(tmp_path):
    def wav(name: str, samples: np.ndarray, rate: int = 16000, subtype: str = "FLOAT") -> Path:
        soundfile.write(tmp_path / name, samples, rate, subtype=subtype)
        return tmp_path / name

    def file(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    noise = np.random.default_rng(0).standard_normal(16000).astype(np.float32) * 0.1
    holed = noise.copy()
    holed[8000] = np.nan
    (tmp_path / "folder.wav").mkdir()
    assert "is empty" in refusal(file("empty.wav", b""), tmp_path)
    assert "holds no samples" in refusal(wav("none.wav", noise[:0]), tmp_path)
    assert "lasts 0.090 s" in refusal(wav("short.wav", noise[:1440]), tmp_path)
    assert "no format" in refusal(file("text.wav", "Liebe Zoë, ...".encode() * 100), tmp_path)
    assert "nan, at 0.500 s" in refusal(wav("nan.wav", holed), tmp_path)
    assert "silent" in refusal(wav("silent.wav", 0 * noise), tmp_path)
    assert "silent" in refusal(wav("offset.wav", 0 * noise + 0.5), tmp_path)
    assert "cancel" in refusal(wav("turned.wav", np.stack([noise, -noise], axis=1)), tmp_path)
    assert "is a folder" in refusal(tmp_path / "folder.wav", tmp_path)
    assert "hours" in refusal(wav("long.wav", np.tile(noise, 15), 16, "PCM_U8"), tmp_path)
    assert "cannot be opened" in refusal(tmp_path / "gone.wav", tmp_path)
    assert read(wav("shortest.wav", noise[:1600]), tmp_path)[0].frames == 6


def test_an_unreadable_file_is_refused_and_an_unwritable_folder_is_no_fault_of_the_recording(tmp_path, official):
    path = official / "test_sentence.wav"
    with pytest.raises(OSError, match="blocked"):
        (tmp_path / "blocked").write_text("")
        decode(Recording(path, "a"), tmp_path / "blocked" / "speech.f32", tmp_path / "sound.wav")
    locked = tmp_path / "locked.wav"
    locked.write_bytes(path.read_bytes())
    locked.chmod(0)
    if not os.access(locked, os.R_OK):  # root reads everything
        assert "permissions" in refusal(locked, tmp_path)


def test_each_recording_has_a_name_of_its_own(tmp_path):
    names = ["hello.wav", "hello.flac", "Hello.MP3", "Grüße.ogg", "-rf.wav", "...wav", 'a "b" c.wav', "{x}.wav",
             "faces.wav", "notes.txt", ".hidden.wav", "a:b.wav"]  # fmt: skip
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "more").mkdir()
    recordings, faults = find_recordings(
        [tmp_path, *(tmp_path / name for name in ("hello.wav", "...wav", "nowhere.wav"))]
    )
    found = {one.path.name: one.name for one in recordings}
    assert found == {
        "hello.wav": "hello.wav", "hello.flac": "hello.flac", "Hello.MP3": "Hello.MP3", "Grüße.ogg": "Grüße",
        "-rf.wav": "_rf", "...wav": "__", 'a "b" c.wav': "a _b_ c", "{x}.wav": "_x_", "faces.wav": "faces.wav",
        "a:b.wav": "a_b",
    }  # fmt: skip
    assert len({name.casefold() for name in found.values()}) == len(found)
    assert [fault.split(": ")[0] for fault in faults] == [str(tmp_path / "more"), str(tmp_path / "nowhere.wav")]
    assert find_recordings([tmp_path / "notes.txt"])[0][0].name == "notes"


def test_an_empty_folder_says_what_belongs_there(tmp_path):
    recordings, (fault,) = find_recordings([tmp_path])
    assert not recordings and ".wav" in fault and "holds no recording" in fault
