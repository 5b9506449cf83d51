"""Time, memory and error of the correspondence and of the deformation transfer, against the plain ways.

    SAID_OFFICIAL=<folder of the authors' files> python workflow_tests/benchmarks/bench_transfer.py [--targets 12]

ARKit's face goes onto FLAME where SAID_OFFICIAL is set, else the synthetic source face onto a synthetic head. Each
measurement runs in a process of its own, on one thread, so that its peak memory is its own. Seconds are of the
processor: `register` bends the source onto the target, as does trimesh's `nricp_sumner`, the same paper's algorithm;
their error is the mean distance to the nearest vertex of the target. `transfer` factorises once for 32 expressions,
the plain way once per expression; its error is the largest difference between the two. `targets` is the whole stage
for so many heads: clean-up, correspondence, transfer, parts put back.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import trimesh
from scipy.spatial import cKDTree

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from said import corpus
from said.arkit import SPEECH_BLENDSHAPES
from said.cleanup import crop, find_regions, reattach
from said.deformation import find_correspondence, register, transfer
from said.files.meshes import read_indices, read_mesh


def official(folder: Path):
    with tempfile.TemporaryDirectory() as unpacked, zipfile.ZipFile(folder / "ARKit_reference_blendshapes.zip") as file:
        file.extractall(unpacked)
        meshes = next(Path(unpacked).rglob("Neutral.obj")).parent
        (meshes / "landmarks.txt").write_text((folder / "ARKit_landmarks.txt").read_text())
        source = corpus.read_source(meshes)
    template, landmarks = read_mesh(folder / "FLAME_sample.ply"), read_indices(folder / "FLAME_landmarks.txt")
    return *source, template, landmarks, read_indices(folder / "FLAME_head_idx.txt")


def synthetic():
    from said.synthetic.head import build_head
    from said.synthetic.source import source_face

    source, head = source_face(), build_head()
    neutral = trimesh.Trimesh(source.neutral, source.faces, process=False)
    template = trimesh.Trimesh(head.vertices, head.faces, process=False)
    return (
        neutral, source.expressions[: len(SPEECH_BLENDSHAPES)], source.landmarks, template, head.landmarks, None
    )  # fmt: skip


def measure(what: str, targets: int) -> str:
    folder = os.environ.get("SAID_OFFICIAL")
    source, expressions, marks, template, landmarks, head = official(Path(folder)) if folder else synthetic()
    regions = find_regions(template, landmarks, head)
    face, new_index = crop(template, regions.face)
    face_marks = new_index[landmarks]

    def at_once():
        return transfer(source, expressions, face, pairs)

    def one_by_one():
        return np.concatenate([transfer(source, expressions[k : k + 1], face, pairs) for k in range(len(expressions))])

    def stage():
        for _ in range(targets):
            parts = find_regions(template, landmarks, head)
            part, index = crop(template, parts.face)
            own = find_correspondence(source, part, marks, index[landmarks])
            reattach(template, parts, transfer(source, expressions, part, own))

    def distance(registered):
        return f"{1e3 * cKDTree(face.vertices).query(registered)[0].mean():.3f}"

    def difference(moved, other):
        return f"{1e3 * np.abs(moved - other).max():.1e}"

    def none(_):
        return "-"

    ways = {
        "register": (lambda: register(source, face, marks, face_marks), distance),
        "nricp_sumner": (
            lambda: trimesh.registration.nricp_sumner(source, face, marks, face.vertices[face_marks]),
            distance,
        ),
        "correspondence": (lambda: find_correspondence(source, face, marks, face_marks), none),
        "transfer": (at_once, lambda moved: difference(moved, one_by_one())),
        "one by one": (one_by_one, lambda moved: difference(moved, at_once())),
        "targets": (stage, none),
    }
    run, error = ways[what]
    pairs = find_correspondence(source, face, marks, face_marks) if what in ("transfer", "one by one") else None
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.process_time()
    answer = run()
    seconds, peak = time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    name = f"{targets} targets" if what == "targets" else what
    return f"{name:15} {seconds:9.2f} {(peak - before.ru_maxrss) / 1024:9.0f} {peak / 1024:9.0f} {error(answer):>12}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--targets", type=int, default=12, help="heads of the last row")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(measure(arguments.one, arguments.targets))
        return
    print(f"{'':15} {'seconds':>9} {'more MiB':>9} {'peak MiB':>9} {'error in mm':>12}")
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    for what in ("register", "nricp_sumner", "correspondence", "transfer", "one by one", "targets"):
        command = [sys.executable, __file__, "--one", what, "--targets", str(arguments.targets)]
        subprocess.run(command, check=True, env=os.environ | single)


if __name__ == "__main__":
    main()
