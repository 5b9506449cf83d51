"""Sound files: every kind is read whole, whatever its header leaves open, or refused."""

import io
import re
import struct
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from said.files.audio import AudioError, read_audio, read_recording, read_samples
from said.files.sound import decode
from said.running.integrity import UnreadableError

RATE = 16000
TONE = (0.3 * np.sin(np.arange(2 * RATE) * 0.1)).astype(np.float32)
CONTAINERS = [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "ALAW"), ("WAV", "IMA_ADPCM"), ("WAVEX", "PCM_24"),
              ("RF64", "PCM_16"), ("W64", "PCM_16"), ("AIFF", "PCM_24"), ("AU", "PCM_16"), ("CAF", "PCM_16"),
              ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]  # fmt: skip


def container(form: str, coding: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, TONE, RATE, format=form, subtype=coding)
    return buffer.getvalue()


def encoded(suffix: str, codec: str, folder, **options) -> bytes:
    """Two seconds as FFmpeg writes them, with the times that it gives them."""
    path, rate = folder / f"memo.{suffix}", 48000
    with av.open(str(path), "w", options=options) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono")
        wave = (0.3 * np.sin(np.arange(2 * rate) * 0.05)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        resampler = av.AudioResampler(format=stream.codec_context.format or "fltp", layout="mono", rate=rate)
        for part in (*resampler.resample(frame), *resampler.resample(None), None):
            file.mux(stream.encode(part))
    return path.read_bytes()


def fault(content: bytes) -> str:
    with pytest.raises(AudioError) as error:
        decode(io.BytesIO(content))
    return str(error.value)


def wav(data: bytes, riff: int | None = None, size: int | None = None, before=b"", after=b"") -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    body = b"WAVE" + before + form + b"data" + struct.pack("<I", len(data) if size is None else size) + data + after
    return b"RIFF" + struct.pack("<I", len(body) if riff is None else riff) + body


@pytest.mark.parametrize(("form", "coding"), CONTAINERS)
def test_a_whole_file_is_read_and_half_of_one_is_refused(form, coding):
    content = container(form, coding)
    sound = decode(io.BytesIO(content))
    assert sound.rate == RATE and abs(len(sound.samples) - len(TONE)) <= (1024 if coding == "IMA_ADPCM" else 0)
    scale = 2.0**-15 if sound.samples.dtype == np.int16 else 1.0
    middle = slice(4000, 28000)
    assert np.abs(sound.samples[middle, 0] * scale - TONE[middle]).max() < (0.05 if coding != "OPUS" else 0.3)
    for share in (0.02, 0.5, 0.98):
        fault(content[: int(share * len(content))])


@pytest.mark.parametrize(("form", "coding"), [case for case in CONTAINERS if case[0] not in ("OGG", "FLAC", "CAF")])
def test_what_is_missing_is_said_in_seconds(form, coding):
    content = container(form, coding)
    expected, found = map(float, re.findall(r"([\d.]+) s ", fault(content[: len(content) // 2])))
    assert expected == pytest.approx(2, abs=0.15) and found == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize(("suffix", "codec", "options"),
                         [("m4a", "aac", {}), ("m4a", "aac", {"movflags": "faststart"}), ("mp4", "aac", {}),
                          ("mp4", "aac", {"movflags": "frag_keyframe+empty_moov"}), ("mov", "pcm_s16le", {}),
                          ("webm", "libopus", {}), ("mkv", "aac", {}), ("opus", "libopus", {}), ("aac", "aac", {}),
                          ("mp3", "libmp3lame", {}), ("flac", "flac", {})])  # fmt: skip
def test_what_telephones_and_browsers_record_is_read(tmp_path, suffix, codec, options):
    content = encoded(suffix, codec, tmp_path, **options)
    sound = decode(io.BytesIO(content))
    assert sound.rate == 48000 and abs(len(sound.samples) / 48000 - 2) < 0.035
    spectrum = np.abs(np.fft.rfft(sound.samples[10000:58000, 0] * np.hanning(48000)))
    assert abs(np.argmax(spectrum) - 0.05 / (2 * np.pi) * 48000) <= 1
    fault(content[: len(content) // 2])
    (tmp_path / "memo.wav").write_bytes(content)  # whatever its name
    assert len(read_recording(tmp_path / "memo.wav")[0]) == len(sound.samples)


def test_a_video_is_read_for_its_sound(tmp_path):
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as file:
        video = file.add_stream("mpeg4", rate=25)
        video.width = video.height = 16
        for _ in range(5):
            file.mux(video.encode(av.VideoFrame(16, 16, "yuv420p")))
        file.mux(video.encode())
    assert "no sound" in fault(path.read_bytes())


@pytest.mark.parametrize(
    ("riff", "size"),
    [(0, 0), (0xFFFFFFFF, 0xFFFFFFFF), (0x7FFFF024, 0x7FFFF000), (0x80000024, 0x80000000), (0x7FFFFFFF, 0x7FFFFFFF),
     (0xFFFFFFFF, 0xFFFFFFFF - 44), (0, 64000), (64000, 64000), (64037, 64000), (90000, 64000), (64036, 0)],
)  # fmt: skip
def test_lengths_that_a_stream_does_not_know(tmp_path, riff, size):
    samples = (TONE * 32767).astype("<i2")
    (tmp_path / "a.wav").write_bytes(wav(samples.tobytes(), riff, size))
    assert np.array_equal(read_samples(tmp_path / "a.wav")[0], samples)
    assert len(read_audio(tmp_path / "a.wav")[0]) == 32000


@pytest.mark.parametrize(("form", "name", "ahead", "code", "values"), [
    ("AU", b".snd", 8, ">I", (0, 2**32 - 1, 2**31 - 1)), ("AIFF", b"SSND", 4, ">I", (0, 2**32 - 1, 2**31 - 4096)),
    ("W64", b"data\xf3", 16, "<Q", (0, 24, 2**64 - 1, 2**63 - 1)), ("CAF", b"data", 4, ">q", (-1,)),
    ("RF64", b"ds64", 16, "<Q", (0, 2**64 - 1)),
])  # fmt: skip
def test_lengths_that_streams_of_other_kinds_do_not_know(form, name, ahead, code, values):
    content = bytearray(container(form, "PCM_16"))
    place = content.rindex(name, 0, 5000) + ahead
    for value in values:
        content[place : place + struct.calcsize(code)] = struct.pack(code, value)
        sound = decode(io.BytesIO(bytes(content)))
        assert np.array_equal(sound.samples[:, 0], decode(io.BytesIO(container("WAV", "PCM_16"))).samples[:, 0])


def test_a_length_that_was_not_brought_up_to_date_is_refused():
    samples = (TONE * 32767).astype("<i2").tobytes()
    assert "more follow" in fault(wav(samples, size=20000))
    assert "more follow" in fault(wav(samples, size=40))


def test_an_odd_chunk_with_and_without_the_byte_that_makes_it_even():
    data = bytes(range(1, 12)) * 6
    odd = b"LIST" + struct.pack("<I", 5) + b"INFOx"
    for before in (odd, odd + b"\0"):
        for after in (b"", odd, odd + b"\0"):
            assert decode(io.BytesIO(wav(data, before=before, after=after))).samples.tobytes() == data
    assert len(decode(io.BytesIO(wav(data + b"\1", after=odd))).samples) == len(data) // 2


@pytest.mark.parametrize(("waveform", "message"), [
    (np.zeros(RATE), "silent"), (np.full(RATE, 0.2), "silent"), (np.sign(np.sin(np.arange(RATE))) * 2**-16, "silent"),
    (np.stack([TONE, -TONE], 1), "cancel"), (np.stack([TONE, -0.95 * TONE], 1), "cancel"),
    (np.append(TONE, np.nan), "no sound, nan, at 2.000 s"), (np.append(TONE, -np.inf), "no sound"),
    (np.append(TONE, 1e30), "no sound"), (np.zeros(0), "no samples"),
])  # fmt: skip
def test_recordings_without_speech_are_refused_by_name(tmp_path, waveform, message):
    path = tmp_path / "mine.wav"
    soundfile.write(path, waveform, RATE, subtype="DOUBLE")
    with pytest.raises(AudioError, match=message) as error:
        read_recording(path)
    assert str(path) in str(error.value)


def test_a_track_of_its_own_and_a_quiet_voice_are_speech(tmp_path):
    path = tmp_path / "mine.wav"
    for waveform in (np.stack([TONE, 0 * TONE], 1), TONE / 300, np.stack([TONE, -0.5 * TONE], 1)):
        soundfile.write(path, waveform, RATE, subtype="PCM_16")
        assert len(read_recording(path)[0]) == len(TONE)


def test_a_file_of_the_users_is_not_called_damaged(tmp_path):
    path = tmp_path / "mine.wav"
    cut = container("WAV", "PCM_16")[:9000], container("OGG", "OPUS")[:3000]
    for content in (b"", b"no sound", *cut, b"ID3", b"\xff\xfb"):
        path.write_bytes(content)
        with pytest.raises(AudioError) as error:
            read_recording(path)
        assert "damaged" not in str(error.value) and "rm " not in str(error.value) and str(path) in str(error.value)
        with pytest.raises(UnreadableError):
            read_audio(path)


def test_ogg_without_its_end_or_its_middle_is_refused():
    content = container("OGG", "OPUS")
    pages = [place for place in range(len(content)) if content[place : place + 4] == b"OggS"]
    assert "the page that ends" in fault(content[: pages[-1]])
    assert "pages are missing" in fault(content[: pages[2]] + content[pages[3] :])
    assert "one after the other" in fault(content + content)


def test_mp3_of_constant_rate_without_a_table_is_refused_within_a_frame(tmp_path):
    content = encoded("mp3", "libmp3lame", tmp_path, write_xing="0")
    assert abs(len(decode(io.BytesIO(content)).samples) / 48000 - 2) < 0.1
    assert "within a frame" in fault(content[: len(content) // 2])
    tagged = b"ID3\4\0\0\0\0\0\12" + bytes(10) + content + b"TAG" + bytes(125)
    assert len(decode(io.BytesIO(tagged)).samples) == len(decode(io.BytesIO(content)).samples)


@st.composite
def wavs(draw):
    """A WAV spelled in any legal way, or as programs do, its samples, and whether its length is known."""
    kind, width = draw(st.sampled_from([(1, 1), (1, 2), (1, 3), (1, 4), (3, 4), (3, 8)]))
    channels, frames = draw(st.integers(1, 3)), draw(st.integers(1, 60))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    if kind == 3:
        samples = random.uniform(-1, 1, (frames, channels)).astype(f"<f{width}")
        expected, data = samples.astype(np.float32), samples.tobytes()
    else:
        whole = random.integers(-(2 ** (8 * width - 1)), 2 ** (8 * width - 1), (frames, channels))
        expected = (whole / 2.0 ** (8 * width - 1)).astype(np.float32)
        stored = whole + 128 if width == 1 else whole
        data = stored.astype("<i8").tobytes()
        data = b"".join(data[place : place + width] for place in range(0, len(data), 8))
    sizes = (kind, channels, RATE, RATE * channels * width, channels * width, 8 * width)
    form = struct.pack("<HHIIHH", *sizes)
    if draw(st.booleans()):
        guid = struct.pack("<H", kind) + b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
        form = struct.pack("<HHIIHHHHI", 0xFFFE, *sizes[1:], 22, 8 * width, 0) + guid

    def chunk(name, body, size=None):
        return name + struct.pack("<I", len(body) if size is None else size) + body + b"\0" * (len(body) % 2)

    others = st.lists(st.builds(chunk, st.sampled_from([b"LIST", b"JUNK", b"bext"]), st.binary(max_size=9)), max_size=2)
    known = draw(st.booleans())
    size = None if known else draw(st.sampled_from([0, 2**32 - 1, 2**31 - 4096, 2**31]))
    after = b"".join(draw(others)) if known else b""
    body = b"WAVE" + b"".join(draw(others)) + chunk(b"fmt ", form) + b"".join(draw(others))
    sound = chunk(b"data", data, size)[: None if known else 8 + len(data)]
    end = 8 + len(body) + 8 + len(data)
    body += sound + after
    riff = draw(st.sampled_from([len(body), 0, 2**32 - 1, len(body) + 7, max(0, len(body) - 5)]))
    return b"RIFF" + struct.pack("<I", riff) + body, expected, known, end


def as_float(samples):
    return samples * np.float32(2.0**-15) if samples.dtype == np.int16 else samples


def test_sound_of_unknown_length_may_begin_like_a_chunk():
    samples = b"dnW1\x9f4\xd9P"  # a name, and a size that the file does not have
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    body = b"WAVE" + form + b"data" + bytes(4) + samples
    sound = decode(io.BytesIO(b"RIFF" + struct.pack("<I", len(body)) + body))
    np.testing.assert_array_equal(as_float(sound.samples)[:, 0], np.frombuffer(samples, "<i2") / np.float32(2**15))


@settings(max_examples=150, deadline=None)
@given(wavs())
def test_any_legal_wav_is_read_to_the_bit(spelled):
    content, expected, _, _ = spelled
    sound = decode(io.BytesIO(content))
    assert sound.rate == RATE
    np.testing.assert_array_equal(as_float(sound.samples), expected)


@settings(max_examples=150, deadline=None)
@given(wavs(), st.floats(0, 1, exclude_max=True))
def test_a_wav_cut_off_anywhere_is_whole_or_refused(spelled, share):
    content, expected, known, end = spelled
    cut = int(share * len(content))
    if known and cut < end:
        fault(content[:cut])
    elif known:  # what is missing is no sound
        np.testing.assert_array_equal(as_float(decode(io.BytesIO(content[:cut])).samples), expected)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(CONTAINERS),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_changed_headers_raise_nothing_else(case, changes):
    broken = bytearray(container(*case))
    for place, value in changes:
        broken[place] = value
    try:
        decode(io.BytesIO(bytes(broken)))
    except AudioError:
        pass
