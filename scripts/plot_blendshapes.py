"""Draw the 32 blendshapes of one speaker beside those of the source face."""

import trimesh

from said import corpus
from said.figures.blendshapes import blendshapes
from said.files.images import write_image
from said.rig import read_rig
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
source, expressions, _ = corpus.read_source(snakemake.input.source)
rig = read_rig(snakemake.input.speaker)
head = trimesh.Trimesh(rig.template, rig.faces, process=False)
image = blendshapes(source, expressions, head, rig.blendshapes)
for path in snakemake.output:
    write_image(path, image, snakemake.params.provenance)
