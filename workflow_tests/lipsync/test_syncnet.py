"""SyncNet: the published architecture, its features, distances and what is made of them."""

import hashlib

import numpy as np
import pytest
import python_speech_features
import torch

from said.lipsync import syncnet
from said.lipsync.syncnet import SyncNet, offset_and_confidence, shift_distances, speech_features, speech_windows

PUBLISHED_SPEECH = {0: (64, 1, 3, 3), 4: (192, 64, 3, 3), 8: (384, 192, 3, 3), 11: (256, 384, 3, 3),
                    14: (256, 256, 3, 3), 18: (512, 256, 5, 4)}  # fmt: skip
PUBLISHED_LIPS = {0: (96, 3, 5, 7, 7), 4: (256, 96, 1, 5, 5), 8: (256, 256, 1, 3, 3), 11: (256, 256, 1, 3, 3),
                  14: (256, 256, 1, 3, 3), 18: (512, 256, 1, 6, 6)}  # fmt: skip


@pytest.fixture(scope="module")
def narrow():
    torch.manual_seed(0)
    model = SyncNet(width=1 / 16, size=64, colours=1)
    with torch.no_grad():  # statistics of its own in every normalisation, as after training
        model.embed_lips(255 * torch.rand(2, 1, 12, 64, 64))
        model.embed_speech(torch.randn(16, 1, 13, 20))
    return model.eval()


def test_published_layers_lie_where_the_published_keys_say():
    state = SyncNet().state_dict()
    for net, layers in (("netcnnaud", PUBLISHED_SPEECH), ("netcnnlip", PUBLISHED_LIPS)):
        weights = {int(key.split(".")[1]): tuple(value.shape) for key, value in state.items()
                   if key.startswith(net) and value.ndim > 3}  # fmt: skip
        assert weights == layers
        for layer, shape in layers.items():
            assert state[f"{net}.{layer + 1}.running_mean"].shape == shape[:1]  # a normalisation follows each
    for net in ("netfcaud", "netfclip"):
        assert state[f"{net}.0.weight"].shape == (512, 512) and state[f"{net}.3.weight"].shape == (1024, 512)
        assert state[f"{net}.1.running_var"].shape == (512,)


def test_the_published_model_takes_the_published_input():
    model = SyncNet().eval()
    with torch.no_grad():
        assert model.embed_lips(torch.zeros(1, 3, 5, 224, 224)).shape == (1, 1, 1024)
        assert model.embed_speech(torch.zeros(2, 1, 13, 20)).shape == (2, 1024)


@pytest.mark.parametrize("size", [64, 80, 112, 160])
def test_smaller_pictures_change_the_last_kernel_alone(size):
    small = SyncNet(size=size, width=1 / 16)
    published = SyncNet(width=1 / 16).state_dict()
    differing = {name for name, value in small.state_dict().items() if value.shape != published[name].shape}
    assert differing == {"netcnnlip.18.weight"}
    assert small.eval().embed_lips(torch.zeros(1, 3, 6, size, size)).shape == (1, 2, 64)


def test_a_clip_is_embedded_as_its_windows_are(narrow):
    clip = 255 * torch.rand(1, 1, 9, 64, 64)
    with torch.no_grad():
        whole = narrow.embed_lips(clip)[0]
        single = torch.cat([narrow.embed_lips(clip[:, :, first : first + 5])[0] for first in range(5)])
    assert single.std(0).mean() > 1e-3
    torch.testing.assert_close(whole, single, rtol=1e-4, atol=1e-5)


def test_inputs_of_the_wrong_shape_are_refused(narrow):
    for pictures in (torch.zeros(1, 3, 5, 64, 64), torch.zeros(1, 1, 4, 64, 64), torch.zeros(1, 1, 5, 64, 65)):
        with pytest.raises(ValueError, match="expected pictures"):
            narrow.embed_lips(pictures)
    with pytest.raises(ValueError, match="expected features"):
        narrow.embed_speech(torch.zeros(1, 1, 20, 13))
    with pytest.raises(ValueError, match="too small"):
        SyncNet(size=40)


def test_a_published_file_is_read_by_key_whatever_its_age(tmp_path):
    torch.manual_seed(1)
    model, path = SyncNet().eval(), tmp_path / "syncnet_v2.model"
    state = {name: value for name, value in model.state_dict().items() if "num_batches" not in name}
    torch.save(state, path, _use_new_zipfile_serialization=False)  # as PyTorch wrote them in 2017
    read = syncnet.load_official(path)
    assert not read.training
    for name, value in state.items():
        assert torch.equal(read.state_dict()[name], value), name
    assert hashlib.sha256(path.read_bytes()).hexdigest() in read.origin and "published" in read.origin


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="robots.ox.ac.uk.*lipsync.published"):
        syncnet.load_official(tmp_path / "absent.model")
    torch.save({"netcnnaud.0.weight": torch.zeros(64, 1, 3, 3)}, tmp_path / "part.model")
    with pytest.raises(ValueError, match=r"missing: netcnnlip\.0\.weight"):
        syncnet.load_official(tmp_path / "part.model")


def test_weights_survive_their_file_and_say_where_they_came_from(tmp_path, narrow):
    narrow.origin = "trained on films of nobody"
    syncnet.save(tmp_path / "syncnet.safetensors", narrow)
    again = syncnet.load(tmp_path / "syncnet.safetensors")
    assert (again.width, again.size, again.colours, again.origin) == (1 / 16, 64, 1, narrow.origin)
    for name, value in narrow.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)


def test_features_are_those_of_16_bit_audio():
    samples = np.random.default_rng(0).integers(-8000, 8000, 16000).astype(np.int16)
    expected = python_speech_features.mfcc(samples, 16000).T
    np.testing.assert_allclose(speech_features(samples / 32767), expected, rtol=1e-5, atol=1e-4)
    assert expected.shape == (13, 99)


def test_first_feature_is_log_energy():
    waveform = 0.1 * np.random.default_rng(0).normal(size=16000)
    louder = speech_features(2 * waveform) - speech_features(waveform)
    np.testing.assert_allclose(louder[0], 2 * np.log(2), atol=1e-4)
    np.testing.assert_allclose(louder[1:], 0, atol=2e-3)


@pytest.mark.parametrize("frames", [6, 7, 25, 100])
def test_windows_begin_four_columns_apart_and_the_last_five_frames_begin_none(frames):
    waveform = np.random.default_rng(0).normal(size=640 * frames + 639) * 0.1
    features, windows = speech_features(waveform), speech_windows(waveform, frames + 3)
    assert windows.shape == (frames - 5, 1, 13, 20)  # of the shorter of video and speech, in whole frames
    for number, window in enumerate(windows):
        assert np.array_equal(window[0], features[:, 4 * number : 4 * number + 20])


def test_five_frames_are_too_few():
    with pytest.raises(ValueError, match="at least 6"):
        speech_windows(np.ones(640 * 6 - 1), 100)


def published_distances(lips, speech, reach):
    """Frame by frame, as the published `calc_pdist` goes about it."""
    padded = np.concatenate([np.zeros((reach, lips.shape[1])), speech, np.zeros((reach, lips.shape[1]))])
    rows = [[np.linalg.norm(vector - padded[i + j]) for j in range(2 * reach + 1)] for i, vector in enumerate(lips)]
    return np.mean(rows, axis=0)


def test_distances_are_the_published_ones():
    rng = np.random.default_rng(0)
    lips, speech = rng.normal(size=(2, 40, 8))
    np.testing.assert_allclose(shift_distances(lips, speech), published_distances(lips, speech, 15), rtol=1e-12)
    short = shift_distances(lips[:4], speech[:4])  # shorter than the reach
    np.testing.assert_allclose(short, published_distances(lips[:4], speech[:4], 15), rtol=1e-12)


@pytest.mark.parametrize("ahead", [-15, -3, 0, 1, 15])
def test_distances_of_perfect_vectors_in_closed_form(ahead):
    count = 60
    everything = np.eye(count + 30)
    lips, speech = everything[15 : 15 + count], everything[15 + ahead : 15 + ahead + count]
    distances = shift_distances(lips, speech)
    beyond = np.abs(np.arange(31) - 15)  # windows of the clip that meet a zero vector, at distance 1
    expected = (beyond + (count - beyond) * np.sqrt(2)) / count
    expected[15 - ahead] = abs(ahead) / count  # all others meet themselves
    np.testing.assert_allclose(distances, expected, atol=1e-12)
    offset, confidence = offset_and_confidence(distances)
    assert offset == ahead
    assert confidence == pytest.approx(np.median(expected) - abs(ahead) / count)


def test_a_clip_that_is_the_same_at_every_moment_has_no_confidence():
    constant = np.tile([3.0, 4.0], (400, 1))
    _, confidence = offset_and_confidence(shift_distances(constant, np.zeros((400, 2))))
    assert confidence == pytest.approx(0)


def test_vectors_of_different_windows_are_refused():
    with pytest.raises(ValueError, match="same windows"):
        shift_distances(np.zeros((4, 3)), np.zeros((5, 3)))
