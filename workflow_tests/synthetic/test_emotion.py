"""Eight emotions: what they do to a face, and that a seed decides everything."""

import numpy as np
import pytest

from said.arkit import SPEECH_BLENDSHAPES
from said.synthetic.emotion import EMOTIONS, act_emotions


@pytest.fixture(scope="module")
def acted():
    return dict(act_emotions(2, 3, seed=0))


def mean(acted, emotion: str, *names: str) -> float:
    """Mean coefficient of some blendshapes in an emotion."""
    columns = [SPEECH_BLENDSHAPES.index(name) for name in names]
    return float(np.mean([motion[:, columns].mean() for name, motion in acted.items() if f"_{emotion}_" in name]))


def test_every_speaker_has_every_emotion_as_often(acted):
    assert len(acted) == 2 * 8 * 3
    names = [name.split("_") for name in acted]
    assert {(actor, emotion, level) for actor, _, emotion, level in names} == {
        (f"actor{actor:02d}", emotion, "1" if emotion == "neutral" else "3") for actor in (1, 2) for emotion in EMOTIONS
    }


def test_motion_is_the_corpuss_at_half_its_rate(acted):
    for motion in acted.values():
        assert motion.dtype == np.float32 and motion.shape[1] == 32 and 40 < len(motion) < 300
        assert motion.min() >= 0 and motion.max() <= 1
        assert np.abs(np.diff(motion, axis=0)).max() <= 0.2 + 1e-6


@pytest.mark.parametrize(
    ("emotion", "names"),
    [
        ("happy", ["mouthSmileLeft", "mouthSmileRight"]),
        ("sad", ["mouthFrownLeft", "mouthFrownRight"]),
        ("fear", ["mouthStretchLeft", "mouthStretchRight"]),
        ("disgusted", ["noseSneerLeft", "noseSneerRight"]),
        ("angry", ["noseSneerLeft", "mouthPressRight"]),
        ("surprised", ["mouthFunnel", "jawOpen"]),
    ],
)
def test_an_emotion_shows_where_it_should(acted, emotion, names):
    assert mean(acted, emotion, *names) > mean(acted, "neutral", *names) + 0.05


def test_contempt_smiles_on_one_side(acted):
    left, right = (mean(acted, "contempt", f"mouthSmile{side}") for side in ("Left", "Right"))
    assert left > right + 0.2
    happy = [mean(acted, "happy", f"mouthSmile{side}") for side in ("Left", "Right")]
    assert abs(happy[0] - happy[1]) < 0.15


def test_a_seed_decides_everything(acted):
    again, other = dict(act_emotions(2, 3, seed=0)), dict(act_emotions(2, 3, seed=1))
    assert all(np.array_equal(acted[name], again[name]) for name in acted)
    name = next(iter(acted))
    assert acted[name].shape != other[name].shape or not np.array_equal(acted[name], other[name])
