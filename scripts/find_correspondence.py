"""Find which source triangles move which target triangles: the first phase of deformation transfer."""

import numpy as np

from said import corpus
from said.cleanup import Regions, crop
from said.deformation import find_correspondence
from said.files.arrays import read_arrays, write_arrays
from said.files.meshes import read_mesh
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
source, _, source_landmarks = corpus.read_source(snakemake.input.source)
regions = Regions(**read_arrays(snakemake.input.regions))
topology = corpus.read_topology(snakemake.input.topology)
face, old_to_new = crop(read_mesh(snakemake.input.template), regions.face)

pairs = find_correspondence(source, face, source_landmarks, old_to_new[topology.landmarks])
write_arrays(snakemake.output[0], {"pairs": pairs})
print(f"{len(pairs)} pairs; {len(np.unique(pairs[:, 1]))} of {len(face.faces)} target triangles have a partner")
