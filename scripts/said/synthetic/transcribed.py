"""Transcribed speech to train the stand-in speech encoder on: what LibriSpeech is to wav2vec 2.0.

None of its voices is a speaker of the corpus, and nothing of the corpus or its truth is used.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from said.corpus import FRAME_RATE
from said.seeds import derive_seed
from said.synthetic.pauses import with_pauses
from said.synthetic.sentences import sentences
from said.synthetic.speech import SAMPLE_RATE, sample_voices, speak
from said.synthetic.trajectories import frame_phones

VOICES = 48


def transcribed_speech(
    count: int, seed: int, pauses: float = 0.0
) -> Iterator[tuple[NDArray[np.float32], int, NDArray[np.int64]]]:
    """Spoken sentences with the phone of each frame.

    Args:
        count: number of sentences.
        seed: of sentences, voices and their delivery.
        pauses: how likely each gets pauses, see `with_pauses`.

    Yields:
        waveform (T,) float32 in [-1, 1], its rate in Hz, and (N,) int labels at 60 per second, indices of
        `said.synthetic.phonetics.PHONES`.
    """
    voices = sample_voices(min(count, VOICES), seed)
    for index, text in enumerate(sentences(count, seed)):
        rng = np.random.default_rng(derive_seed(seed, "transcribed", index))
        utterance = with_pauses(speak(text, voices[index % len(voices)], rng), pauses, rng)
        frames = int(utterance.duration * FRAME_RATE)
        yield utterance.waveform, SAMPLE_RATE, frame_phones(utterance.phones, frames, FRAME_RATE)
