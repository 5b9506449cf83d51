"""VOCA as a method of Table 1."""

import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from numpy.typing import NDArray
from torch import nn

from said.baselines.clips import Shared, Utterance
from said.baselines.deepspeech import DeepSpeech, load_graph
from said.baselines.hearing import Components, logits
from said.baselines.voca import FRAME_RATE, Voca, speech_windows
from said.files.models import load_model, save_model
from said.running.atomic import PathLike

FORM = "said-voca-1"
_GRAPH, _INDEX = "output_graph.pb", ".index"


class HearingVoca(nn.Module):
    """VOCA with what it hears through.

    Args:
        network: VOCA.
        hearing: DeepSpeech, or what stands in for it.
        encoder: the run's speech encoder, which the stand-in listens through. It is not stored with this model.
    """

    def __init__(self, network: Voca, hearing: DeepSpeech | Components, encoder: nn.Module):
        super().__init__()
        self.network, self.hearing = network, hearing
        self._encoder = [encoder]  # in a list, so that it is no part of the module

    def to(self, device: str) -> "HearingVoca":  # pyright: ignore[reportIncompatibleMethodOverride]
        self._encoder[0].to(device)
        return super().to(device)

    def hear(self, waveform: NDArray, rate: int) -> NDArray:
        """(N, 16, 29) windows of logits, 60 per second, of a waveform (T,) in [-1, 1] at `rate` Hz."""
        heard = logits(self.hearing, self._encoder[0], waveform, rate)  # pyright: ignore[reportArgumentType]
        return speech_windows(heard, len(waveform), rate)


def frame_rate(settings: Mapping) -> int:
    return FRAME_RATE


def save(path: PathLike, model: HearingVoca) -> None:
    network, hearing = model.network, model.hearing
    facts: dict[str, object] = {
        "vertices": network.expression_offset.out_features // 3,
        "subjects": network.subjects,
        "components": network.fc2.out_features,
    }
    if isinstance(hearing, DeepSpeech):
        widths = [layer.out_features for layer in (hearing.h1, hearing.h2, hearing.h3)]
        facts["deepspeech"] = [widths, hearing.lstm.hidden_size, hearing.h5.out_features]
    else:
        facts["width"] = hearing.mean.numel()
    save_model(path, model, FORM, facts)


def load(path: PathLike, shared: Shared, settings: Mapping) -> HearingVoca:
    def build(facts: dict) -> HearingVoca:
        network = Voca(facts["vertices"], facts["subjects"], facts["components"])
        if "deepspeech" in facts:
            widths, cells, width = facts["deepspeech"]
            return HearingVoca(network, DeepSpeech(tuple(widths), cells, width), shared.encoder)
        return HearingVoca(network, Components(facts["width"]), shared.encoder)

    return load_model(path, FORM, "a VOCA", build)


def read_published(files: Sequence[Path], shared: Shared, settings: Mapping) -> HearingVoca:
    """The authors' weights.

    Args:
        files: their zip archive, or the folder that holds its TensorFlow checkpoint; DeepSpeech 0.1.0's archive, or its
            frozen graph.

    Raises:
        ValueError: no checkpoint or no graph is in them, or it is of another model.
    """
    weights, graph = files
    return HearingVoca(read_network(weights), read_hearing(graph), shared.encoder).eval()


def read_network(path: Path) -> Voca:
    """VOCA's network from a folder with its TensorFlow checkpoint, or from a zip archive that holds it."""
    if path.is_dir():
        found = sorted(path.rglob(f"*{_INDEX}"))
        if len(found) != 1:
            raise ValueError(f"{path}: holds {len(found)} checkpoints, not one file *{_INDEX}")
        return Voca.from_checkpoint(found[0].with_suffix(""))
    try:
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
            names = [name for name in archive.namelist() if name.endswith((_INDEX, "data-00000-of-00001"))]
            for name in names:  # under a name of ours: what is in the archive leads nowhere
                Path(folder, Path(name).name).write_bytes(archive.read(name))
            return read_network(Path(folder))
    except zipfile.BadZipFile as error:
        raise ValueError(
            f"{path}: neither a folder with VOCA's checkpoint nor the zip archive of it ({error})"
        ) from None


def read_hearing(path: Path) -> DeepSpeech:
    """DeepSpeech from its frozen graph, or from the published archive that holds it."""
    if not tarfile.is_tarfile(path):
        return load_graph(path)
    with tarfile.open(path) as archive, tempfile.TemporaryDirectory() as folder:
        for member in archive:
            if member.isfile() and Path(member.name).name == _GRAPH:
                content = archive.extractfile(member)
                assert content is not None
                graph = Path(folder, _GRAPH)
                graph.write_bytes(content.read())
                return load_graph(graph)
    raise ValueError(f"{path}: holds no {_GRAPH}")


def styles(model: HearingVoca) -> int:
    return model.network.subjects


def animate(
    model: HearingVoca, speech: Utterance, template: NDArray, styles: Sequence[int], settings: Mapping, seed: int
) -> Iterator[NDArray]:
    windows = model.hear(speech.waveform, speech.rate)
    for style in styles:
        yield model.network.animate(windows, template, torch.tensor([style]))[0].cpu().numpy()
