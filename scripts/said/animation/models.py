"""The model that animates, read from its files."""

from transformers import Wav2Vec2Model

from said import model
from said.animation.inputs import ENCODER, PUBLISHED, PUBLISHED_FILE, ModelFiles
from said.model import SAiD
from said.speech import load_encoder


def load_model(files: ModelFiles) -> tuple[SAiD, Wav2Vec2Model]:
    """A model and its speech encoder, in evaluation mode.

    Raises:
        ValueError: the weights are no SAiD model, or there is no speech encoder.
        FileNotFoundError: a file is missing.
    """
    if not files.weights.is_file():
        raise FileNotFoundError(
            f"{files.weights}: is not there; `--model {PUBLISHED}` downloads the authors' weights, or put "
            f"{PUBLISHED_FILE} there"
        )
    loaded = model.load_official(files.weights) if files.weights.suffix == ".pth" else model.load(files.weights)
    if loaded.audio_encoder is not None:
        return loaded, loaded.audio_encoder
    if files.encoder is None:
        raise ValueError(
            f"{files.weights}: has no speech encoder of its own, and there is no folder {ENCODER} beside it; put the "
            "one that it was trained with there"
        )
    return loaded, load_encoder(files.encoder)


def default_guidance(said: SAiD) -> float:
    """gamma of Eq. 9 that goes with a model: the paper's 2, or 1 for the small ones of the demonstration."""
    return 2.0 if said.config.prediction == "epsilon" and not said.config.scaled else 1.0
