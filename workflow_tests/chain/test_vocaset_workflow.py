"""The synthetic corpus as a release of VOCASET, through the workflow."""

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import Workflow
from publisher import Publisher
from release import read_speakers, write_ply_tree, write_training_archive

from said import corpus
from said.coefficients import fit_coefficients
from said.files.arrays import read_arrays
from said.files.meshes import read_mesh, write_indices, write_mesh
from said.files.tables import write_coefficients
from said.vocaset import release as vocaset


@pytest.fixture(scope="module")
def released(smoke: Workflow, tmp_path_factory):
    """The smoke run's corpus in both release forms, and its other files as the published ones."""
    folder = tmp_path_factory.mktemp("released")
    run = smoke.folder / "results/synthetic-smoke"
    speakers, faces = read_speakers(run / "corpus")
    write_ply_tree(folder / "tree", speakers, faces)
    write_training_archive(folder / "trainingdata", speakers)
    write_mesh(folder / "topology.ply", speakers[0].template, faces)
    write_indices(folder / "landmarks.txt", corpus.read_topology(run / "corpus/topology.npz").landmarks)
    write_indices(folder / "head.txt", [])
    shutil.copytree(run / "source", folder / "arkit")
    return folder


def as_vocaset(workflow: Workflow, folder: Path, path: Path | None, **more) -> None:
    """Let a workflow's config.yaml read a release of three of the synthetic speakers, with one or two sentences."""
    config = yaml.safe_load((workflow.folder / "config.yaml").read_text())
    config |= {"dataset": "vocaset", "scale": "smoke"}
    config["vocaset"] |= {
        "split": {"train": ["speaker01"], "validation": ["speaker09"], "test": ["speaker11"]},
        "path": None if path is None else str(path),
        "sentences": 2,
        "accept": ["speaker09/sentence02/missing"],
        "topology": str(folder / "topology.ply"),
        "landmarks": str(folder / "landmarks.txt"),
        "head": str(folder / "head.txt"),
        "arkit": str(folder / "arkit"),
        "arkit_landmarks": str(folder / "arkit/landmarks.txt"),
    } | more  # fmt: skip
    (workflow.folder / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.mark.parametrize("form", ["tree", "trainingdata"])
def test_the_reader_gives_the_same_bytes_as_the_direct_path(smoke, released, tmp_path, form):
    direct = smoke.folder / "results/synthetic-smoke"
    release = vocaset.open_release(released / form, corpus.read_topology(direct / "corpus/topology.npz").faces)
    for template in sorted((direct / "corpus/templates").glob("*.ply")):
        name = template.stem
        assert np.array_equal(release.template(name), read_mesh(template).vertices)
        for sentence in release.frame_numbers(name):
            vocaset.convert(release, name, sentence, tmp_path / name)
        originals = sorted((direct / f"corpus/sequences/{name}").glob("sentence*"))
        assert [path.name for path in originals] == sorted(path.name for path in (tmp_path / name).iterdir())
        assert all(path.read_bytes() == (tmp_path / name / path.name).read_bytes() for path in originals)
    # And what is computed from them.
    shapes = read_arrays(direct / "blendshapes/speaker11.npz")
    frames = corpus.read_frames(tmp_path / "speaker11", "sentence01")[:, shapes["vertices"]]
    write_coefficients(tmp_path / "a.csv", fit_coefficients(shapes["template"], shapes["blendshapes"], frames))
    assert (tmp_path / "a.csv").read_bytes() == (direct / "coefficients/speaker11/sentence01.csv").read_bytes()


def test_the_workflow_gives_the_same_coefficients_as_the_direct_path(workflow, smoke, released):
    as_vocaset(workflow, released, released / "trainingdata")
    workflow("results/vocaset-smoke/coefficients/speaker11")
    run, direct = workflow.folder / "results/vocaset-smoke", smoke.folder / "results/synthetic-smoke"
    for pattern, count in {
        "source/*.obj": 53,
        "corpus/sequences/speaker11/s*": 4,
        "coefficients/speaker11/*.csv": 2,
    }.items():
        paths = [path for path in sorted(direct.glob(pattern)) if not path.name.startswith(".")]
        assert len(paths) == count
        assert all(path.read_bytes() == (run / path.relative_to(direct)).read_bytes() for path in paths)


def test_the_password_is_nowhere_in_what_a_run_leaves(workflow, released, monkeypatch):
    secret = "p&ss%20=w+o\"r'd"
    shutil.make_archive(str(released / "packed"), "zip", released / "trainingdata")
    content = (released / "packed.zip").read_bytes()
    monkeypatch.setenv("VOCA_USERNAME", "reader")
    monkeypatch.setenv("VOCA_PASSWORD", "wrong" + secret)
    target = "results/vocaset-smoke/audit/speaker09.json"
    receipt = "results/vocaset-smoke/downloads/vocaset/trainingdata.zip.json"
    with Publisher({"trainingdata.zip": content}, password=secret).serving() as publisher:
        as_vocaset(
            workflow, released, None, url=publisher.url, archives=[{"name": "trainingdata.zip", "gigabytes": 0.1}]
        )
        refused = workflow(receipt, "--printshellcmds", "--verbose", check=False)
        assert refused.returncode and "name or password is wrong" in refused.stdout + refused.stderr
        monkeypatch.setenv("VOCA_PASSWORD", secret)
        publisher.faults = [{"cut": len(content) // 2}]
        done = workflow(target, "--verbose")
    assert (workflow.folder / "data/vocaset/trainingdata.zip").read_bytes() == content
    output = refused.stdout + refused.stderr + done.stdout + done.stderr
    forms = [secret, secret.replace("&", "%26"), "p%26ss%2520%3Dw%2Bo%22r%27d", secret.replace('"', '\\"')]
    assert not any(form in output for form in forms)
    files = [path for path in workflow.folder.rglob("*") if path.is_file()]
    assert any(".snakemake/metadata" in str(path) for path in files) and len(files) > 50
    for path in files:
        content = path.read_bytes()
        assert not any(form.encode() in content for form in forms), path
    # Another file of credentials is no reason to compute anything again.
    workflow.edit("config.yaml", "credentials: ~/.config/said/voca", "credentials: ~/elsewhere")
    assert workflow.jobs(target) == {"download_vocaset": 1}
    # Afterwards it is here: a run without credentials and without the publisher makes do with it.
    monkeypatch.delenv("VOCA_PASSWORD")
    monkeypatch.delenv("VOCA_USERNAME")
    (workflow.folder / receipt).unlink()
    workflow(receipt)


def test_without_credentials_only_what_needs_them_fails(workflow, released, tmp_path, monkeypatch):
    for name in ("VOCA_USERNAME", "VOCA_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    with Publisher({"template/FLAME_sample.ply": b"published"}).serving() as publisher:
        as_vocaset(workflow, released, None, credentials=str(tmp_path / "none"))
        config = yaml.safe_load((workflow.folder / "config.yaml").read_text())
        config["downloads"]["sources"]["voca"] = publisher.public
        config["downloads"]["files"]["FLAME_sample.ply"]["sha256"] = hashlib.sha256(b"published").hexdigest()
        (workflow.folder / "config.yaml").write_text(yaml.safe_dump(config))
        receipts = [
            f"results/vocaset-smoke/downloads/{n}.json" for n in ("FLAME_sample.ply", "vocaset/trainingdata.zip")
        ]
        done = workflow(*receipts, "-k", check=False)
    text = done.stdout + done.stderr
    assert done.returncode and "voca.is.tue.mpg.de" in text and "vocaset.path" in text and "dataset=synthetic" in text
    assert (workflow.folder / "data/FLAME_sample.ply").read_bytes() == b"published"
    assert (workflow.folder / receipts[0]).exists() and not (workflow.folder / receipts[1]).exists()


def test_a_published_file_is_compared_whenever_it_is_used(workflow, released):
    as_vocaset(workflow, released, released / "trainingdata", topology="FLAME_sample.ply")
    config = yaml.safe_load((workflow.folder / "config.yaml").read_text())
    config["downloads"]["files"]["FLAME_sample.ply"]["sha256"] = None
    (workflow.folder / "config.yaml").write_text(yaml.safe_dump(config))
    file = workflow.folder / "data/FLAME_sample.ply"
    file.parent.mkdir()
    shutil.copy(released / "topology.ply", file)
    workflow("results/vocaset-smoke/audit/speaker01.json")
    receipt = "results/vocaset-smoke/downloads/FLAME_sample.ply.json"
    file.write_bytes(b"junk")
    done = workflow("results/vocaset-smoke/audit/speaker09.json", check=False)
    assert done.returncode and f"not the file that {receipt} tells of" in done.stdout + done.stderr
    file.unlink()
    done = workflow("results/vocaset-smoke/audit/speaker09.json", check=False)
    assert done.returncode and f"remove {receipt} and run again" in done.stdout + done.stderr
    assert "VOCA_USERNAME" not in done.stdout + done.stderr
    shutil.copy(released / "topology.ply", file)
    (workflow.folder / receipt).unlink()
    workflow("results/vocaset-smoke/audit/speaker09.json")


def test_files_of_the_users_own_are_read_again_when_they_are_edited(workflow, released, tmp_path):
    own, target = tmp_path / "own", "results/vocaset-smoke/source"
    shutil.copytree(released, own)
    as_vocaset(workflow, own, own / "trainingdata")
    workflow(target)
    assert workflow.jobs(target) == {}
    for file in ("landmarks.txt", "head.txt", "arkit/jawOpen.obj", "arkit/landmarks.txt"):
        before = (own / file).read_bytes()
        status = (own / file).stat()
        (own / file).write_bytes(before + b"\n")
        assert workflow.jobs(target) == {"vocaset_faces": 1}, file
        (own / file).write_bytes(before)
        os.utime(own / file, ns=(status.st_atime_ns, status.st_mtime_ns))
    again = {"inspect_vocaset": 3, "audit_vocaset": 1, "accept_vocaset": 1, "vocaset_faces": 1}
    for file, more in (("topology.ply", {}), ("trainingdata/templates.pkl", {"check_vocaset": 1})):
        (own / file).write_bytes((own / file).read_bytes() + b"\n")
        assert workflow.jobs(target) == again | more, file


def test_a_faulty_corpus_stops_at_the_audit_and_leaves_its_page(workflow, released, tmp_path):
    shutil.copytree(released / "tree", tmp_path / "faulty", copy_function=os.link)
    mesh = tmp_path / "faulty/unposedcleaneddata/speaker01/sentence01/sentence01.000001.ply"
    vertices = np.array(read_mesh(mesh).vertices)
    vertices[5, 1] = np.inf
    write_mesh(mesh, vertices, read_mesh(mesh).faces)
    as_vocaset(workflow, released, tmp_path / "faulty")
    done = workflow("dataset", check=False)
    text = done.stdout + done.stderr
    assert done.returncode and "speaker01/sentence01/not_finite: speaker01/sentence01: vertex 5 of frame 1" in text
    page = (workflow.folder / "results/vocaset-smoke/audit.html").read_text()
    assert "refused" in page and "not_finite" in page and "speaker09" in page
    assert not (workflow.folder / "results/vocaset-smoke/corpus").exists()
    workflow.edit(
        "config.yaml", "  - speaker09/sentence02/missing", "  - speaker09/sentence02/missing\n  - '*/*/not_finite'"
    )
    assert workflow.jobs("dataset").keys().isdisjoint({"inspect_vocaset", "check_vocaset"})
    kept = "results/vocaset-smoke/corpus/sequences/speaker01"
    workflow(kept)
    assert corpus.sentences(workflow.folder / kept) == ["sentence02"]
