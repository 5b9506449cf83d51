"""Bring VOCASET's templates and the ARKit face into the corpus contract."""

from pathlib import Path

from said import corpus, io
from said.arkit import BLENDSHAPES
from said.console import start
from said.vocaset import require

start(snakemake.log[0])
files = snakemake.params.files

for target in map(Path, snakemake.output.templates):
    template = io.read_mesh(require(Path(files["path"]) / "templates" / target.name))
    io.write_mesh(target, template.vertices, template.faces)

landmarks, head = (io.read_indices(require(files[key])) for key in ("landmarks", "head"))
corpus.write_topology(snakemake.output.topology, corpus.Topology(template.faces, landmarks, head))

source = Path(snakemake.output.source)
for name in ("Neutral", *BLENDSHAPES):
    mesh = io.read_mesh(require(Path(files["arkit"]) / f"{name}.obj"))
    io.write_mesh(source / f"{name}.obj", mesh.vertices, mesh.faces)
io.write_indices(source / "landmarks.txt", io.read_indices(require(files["arkit_landmarks"])))
