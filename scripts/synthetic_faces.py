"""Model the speakers of the synthetic dataset, and the source face with its expressions."""

import numpy as np

from said import corpus
from said.arkit import BLENDSHAPES
from said.files.arrays import write_arrays
from said.files.meshes import write_indices, write_mesh
from said.running.atomic import atomic_folder
from said.running.console import start
from said.synthetic.actor import face_arrays
from said.synthetic.head import build_head
from said.synthetic.identities import make_face, sample_identities
from said.synthetic.source import source_face

start(snakemake.log[0])
seed, speakers = snakemake.params.seed, snakemake.params.speakers
head = build_head(seed)
topology = corpus.Topology(head.faces, head.landmarks, head=np.empty(0, dtype=int))
corpus.write_topology(snakemake.output.topology, topology)

for identity, template, faces in zip(
    sample_identities(len(speakers), seed), snakemake.output.templates, snakemake.output.faces, strict=True
):
    face = make_face(head, identity)
    write_mesh(template, face.template, head.faces, face.colours)
    write_arrays(faces, face_arrays(face))
    print("wrote", template)

source = source_face(seed)
with atomic_folder(snakemake.output.source) as folder:
    write_mesh(folder / "Neutral.obj", source.neutral, source.faces)
    for name, expression in zip(BLENDSHAPES, source.expressions, strict=True):
        write_mesh(folder / f"{name}.obj", expression, source.faces)
    write_indices(folder / "landmarks.txt", source.landmarks)
