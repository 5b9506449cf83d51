"""Draw the 32 blendshapes of one speaker beside those of the source face."""

import trimesh

from said import corpus
from said.figures.blendshapes import blendshapes
from said.files.arrays import read_arrays
from said.files.images import write_image
from said.running.console import start

start(snakemake.log[0])
source, expressions, _ = corpus.read_source(snakemake.input.source)
speaker = read_arrays(snakemake.input.speaker)
head = trimesh.Trimesh(speaker["template"], speaker["faces"], process=False)
image = blendshapes(source, expressions, head, speaker["blendshapes"])
for path in snakemake.output:
    write_image(path, image)
