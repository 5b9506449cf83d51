"""preview.mp4: as long as the curves, with their sound, of a face that moves."""

import av
import numpy as np

from said.animation.faces import load_face
from said.animation.preview import write_preview
from said.arkit import SPEECH_BLENDSHAPES


def test_the_film_shows_an_open_mouth_and_holds_the_sound_whatever_the_threads(tmp_path):
    curves = np.zeros((30, 32))
    curves[15:, SPEECH_BLENDSHAPES.index("jawOpen")] = 1
    tone = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    for name, threads in (("a", 1), ("b", 2)):
        write_preview(tmp_path / f"{name}.mp4", load_face(None), curves, 30, (0.5 * tone, 16000), 128, threads=threads)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    with av.open(str(tmp_path / "a.mp4")) as film:
        images = [image.to_ndarray(format="rgb24").astype(float) for image in film.decode(video=0)]
    with av.open(str(tmp_path / "a.mp4")) as film:
        sound = np.concatenate([block.to_ndarray().ravel() for block in film.decode(audio=0)])
    assert len(images) == 30 and abs(len(sound) / 48000 - 1) < 0.06 and sound.std() > 0.2
    assert np.abs(images[20] - images[5]).max() > 60 > np.abs(images[10] - images[5]).mean()
