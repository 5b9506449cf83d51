"""end2end_AU_speech as a method of Table 1: it gives coefficients, not meshes."""

from collections.abc import Iterator, Mapping, Sequence

import soxr
from numpy.typing import NDArray

from said.baselines.clips import Shared, Utterance
from said.baselines.end2end import SAMPLE_RATE, End2End
from said.baselines.stored import read_stored
from said.corpus import FRAME_RATE
from said.files.models import save_model
from said.running.atomic import PathLike

FORM = "said-end2end-1"


def frame_rate(settings: Mapping) -> None:
    return None


def save(path: PathLike, model: End2End) -> None:
    save_model(path, model, FORM, {"pooling": model.pooling})


def load(path: PathLike, shared: Shared, settings: Mapping) -> End2End:
    state, facts = read_stored(path, FORM, "an end2end_AU_speech")
    return End2End.from_state_dict(state, pooling=facts["pooling"])


def styles(model: End2End) -> int:
    return 1


def animate(
    model: End2End, speech: Utterance, template: NDArray, styles: Sequence[int], settings: Mapping, seed: int
) -> Iterator[NDArray]:
    audio = soxr.resample(speech.waveform, speech.rate, SAMPLE_RATE)
    yield model.animate(audio, FRAME_RATE).cpu().numpy()
