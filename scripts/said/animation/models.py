"""The model that animates: the authors' own, one of a run, a folder, a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from transformers import Wav2Vec2Model

from said import model
from said.model import SAiD
from said.running.atomic import PathLike
from said.running.console import nearest
from said.speech import load_encoder

PUBLISHED = "published"
DEMO = "demo"
PUBLISHED_FILE = "SAiD.pth"
"""The authors' weights, with their speech encoder."""
WEIGHTS = "model.safetensors"
ENCODER = "speech_encoder"
"""Names of weights and of the encoder's folder, in a folder with a model."""
_SHIPPED = Path(__file__).with_name("demo")


@dataclass(frozen=True)
class ModelFiles:
    """Where a model lies.

    Attributes:
        name: for people.
        weights: SAiD.pth, or what `said.model.save` wrote.
        encoder: folder of its speech encoder; None where the weights bring it along.
    """

    name: str
    weights: Path
    encoder: Path | None

    @property
    def missing(self) -> bool:
        """Whether a file is not there."""
        return not self.weights.is_file() or (self.encoder is not None and not self.encoder.is_dir())


def find_model(wanted: str | None, published: PathLike, variants: Mapping[str, ModelFiles] | None = None) -> ModelFiles:
    """The files of the model that a user asks for; those of a variant need not be there yet.

    Args:
        wanted: `published`; `demo`, the package's own; a variant of this run; a folder or a file. None takes the
            published one if it is there, else the package's own, else the first variant.
        published: where the authors' SAiD.pth lies, or will lie.
        variants: of this run, by name.

    Raises:
        ValueError: there is no such model; says what there is.
    """
    variants = variants or {}
    authors, shipped = ModelFiles(PUBLISHED, Path(published), None), _from_folder(_SHIPPED)
    if wanted is None:
        for found in (authors, shipped):
            if found is not None and not found.missing:
                return found
        if variants:
            return next(iter(variants.values()))
        raise ValueError(
            f"there is no model: neither the authors' at {published} nor one of the package; name one by --model: "
            f"{PUBLISHED}, which is downloaded, or a folder with {WEIGHTS} and {ENCODER}"
        )
    if wanted == PUBLISHED:
        return authors
    if wanted == DEMO and shipped is not None:
        return shipped
    if wanted in variants:
        return variants[wanted]
    path = Path(wanted)
    found = _from_folder(path) if path.is_dir() else _from_file(path) if path.is_file() else None
    if found is None:
        known = [PUBLISHED, *variants]
        raise ValueError(
            f"model: {wanted} is none of {', '.join(known)}, no file with weights, and no folder with {WEIGHTS} or "
            f"{PUBLISHED_FILE}{nearest(wanted, known)}"
        )
    return found


def _from_folder(folder: Path) -> ModelFiles | None:
    for name in (WEIGHTS, PUBLISHED_FILE):
        if (folder / name).is_file():
            return _from_file(folder / name)
    return None


def _from_file(path: Path) -> ModelFiles:
    """A model's weights, with the encoder's folder beside them or where a run has it: above `said/<variant>/`."""
    beside = [path.parent / ENCODER, path.parent.parent.parent / ENCODER]
    encoder = next((folder for folder in beside if folder.is_dir()), None)
    return ModelFiles(path.parent.name, path, None if path.suffix == ".pth" else encoder)


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
