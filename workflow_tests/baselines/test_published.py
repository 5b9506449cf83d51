"""The authors' files of each method, in the forms in which they are published."""

import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import ENCODER
from safetensors.torch import load_file
from transformers import Wav2Vec2Config, Wav2Vec2Model

from said.baselines.clips import Shared
from said.baselines.methods import codetalker, faceformer, voca
from said.corpus import Topology
from said.running.integrity import UnreadableError
from said.training.stand_in import build_stand_in

TOPOLOGY = Topology(np.zeros((0, 3), int), np.arange(68), np.arange(3))


def shared(official: Path, name: str) -> Shared:
    """With the authors' speech encoder in small, of which the configuration alone is asked for."""
    golden = np.load(official / f"golden/{name}_golden.npz")
    config = Wav2Vec2Config(**json.loads(str(golden["config_json"]))["wav2vec2"])
    return Shared(Wav2Vec2Model(config), TOPOLOGY, np.ones(32))


@pytest.fixture
def checkpoint(official: Path) -> list[Path]:
    return sorted((official / "golden").glob("voca_gstep_3.model.*"))


def test_voca_is_read_from_a_folder_and_from_an_archive(official, tmp_path, checkpoint):
    folder, archive = tmp_path / "model", tmp_path / "voca_model.zip"
    folder.mkdir()
    with zipfile.ZipFile(archive, "w") as packed:
        for path in checkpoint:
            (folder / path.name).write_bytes(path.read_bytes())
            packed.write(path, f"model/../../{path.name}")  # nothing is written where an archive says
    first, second = (voca.read_network(path).state_dict() for path in (folder, archive))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not list(tmp_path.parent.glob("voca_gstep*"))


def test_deepspeech_is_read_from_its_archive(official, tmp_path, checkpoint):
    graph, archive = official / "golden/voca_deepspeech_graph.pb", tmp_path / "deepspeech-0.1.0-models.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(checkpoint[0], "models/lm.binary")
        packed.add(graph, "models/output_graph.pb")
    first, second = (voca.read_hearing(path).state_dict() for path in (graph, archive))
    assert all(torch.equal(first[name], second[name]) for name in first)
    both = Shared(build_stand_in(ENCODER), TOPOLOGY, np.ones(32))
    folder = tmp_path / "model"
    folder.mkdir()
    for path in checkpoint:
        (folder / path.name).write_bytes(path.read_bytes())
    model = voca.read_published([folder, archive], both, {})
    assert voca.styles(model) == 8 and not model.training


def test_files_that_are_none_are_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty: holds 0 checkpoints"):
        voca.read_network(tmp_path / "empty")
    page = tmp_path / "voca_model.zip"
    page.write_text("<html>Please log in</html>")
    with pytest.raises(ValueError, match=r"voca_model\.zip: neither a folder"):
        voca.read_network(page)
    with tarfile.open(tmp_path / "other.tar.gz", "w:gz") as packed:
        packed.add(page, "models/alphabet.txt")
    with pytest.raises(ValueError, match=r"other\.tar\.gz: holds no output_graph\.pb"):
        voca.read_hearing(tmp_path / "other.tar.gz")
    with pytest.raises((ValueError, UnreadableError), match="voca_model"):
        voca.read_hearing(page)


def test_faceformer_is_a_plain_state_dict(official, tmp_path):
    state = load_file(official / "golden/faceformer_weights.safetensors")
    torch.save(state, tmp_path / "vocaset.pth")
    model = faceformer.read_published([tmp_path / "vocaset.pth"], shared(official, "faceformer"), {})
    assert faceformer.styles(model) == 8
    del state["vertice_map.bias"]
    torch.save(state, tmp_path / "vocaset.pth")
    with pytest.raises(ValueError, match=r"missing: vertice_map\.bias"):
        faceformer.read_published([tmp_path / "vocaset.pth"], shared(official, "faceformer"), {})


def test_codetalkers_stages_lie_inside_their_files(official, tmp_path):
    first, second = (load_file(official / f"golden/codetalker_stage{stage}_weights.safetensors") for stage in (1, 2))
    files = [tmp_path / "stage1.pth.tar", tmp_path / "stage2.pth.tar"]
    for path, stage in zip(files, (first, second), strict=True):
        torch.save({"state_dict": stage}, path)
    known = shared(official, "codetalker")
    with pytest.raises(ValueError, match="refused, not a state dict"):
        faceformer.read_published(files[:1], known, {})
    assert codetalker.styles(codetalker.read_published(files, known, {})) == 8
