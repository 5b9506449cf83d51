"""Make the folder of the face that was brought: as GLB, and its blendshapes where it got them here."""

from said.animation.export import export_face
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
given = snakemake.input
face = export_face(snakemake.output[0], given.face, given.landmarks or None, snakemake.params.unit)
print(*face.notes, sep="\n")
