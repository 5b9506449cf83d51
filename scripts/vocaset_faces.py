"""Convert VOCASET's templates and the ARKit face to the corpus's format."""

from pathlib import Path

from said import corpus
from said.files.meshes import read_indices, write_indices, write_mesh
from said.running.atomic import atomic_folder
from said.running.console import start
from said.vocaset.receipts import require_unchanged
from said.vocaset.release import open_release, read_arkit, read_faces

start(snakemake.log[0], snakemake.input, snakemake.output)
params = snakemake.params
require_unchanged(snakemake.input.receipts)
release = open_release(params.path, read_faces(params.files["topology"]), params.limit)
for target in map(Path, snakemake.output.templates):
    write_mesh(target, release.template(target.stem), release.faces)

landmarks, head = (read_indices(params.files[key]) for key in ("landmarks", "head"))
corpus.write_topology(snakemake.output.topology, corpus.Topology(release.faces, landmarks, head))

with atomic_folder(snakemake.output.source) as source:
    for name, mesh in read_arkit(params.files["arkit"], params.limit):
        write_mesh(source / f"{name}.obj", mesh.vertices, mesh.faces)
    write_indices(source / "landmarks.txt", read_indices(params.files["arkit_landmarks"]))
