"""Draw the 32 blendshapes of one speaker beside those of the source face."""

import trimesh

from said import corpus, figures, io
from said.console import start

start(snakemake.log[0])
source, expressions, _ = corpus.read_source(snakemake.input.source)
speaker = io.read_arrays(snakemake.input.speaker)
head = trimesh.Trimesh(speaker["template"], speaker["faces"], process=False)
image = figures.blendshapes(source, expressions, head, speaker["blendshapes"])
for path in snakemake.output:
    io.write_image(path, image, snakemake.params.provenance)
