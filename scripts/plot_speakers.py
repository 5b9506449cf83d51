"""Draw all speakers of the corpus."""

from said.figures.speakers import speakers
from said.files.images import write_image
from said.files.meshes import read_mesh
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
roles = snakemake.params.roles
meshes = map(read_mesh, snakemake.input)
image = speakers(dict(zip(roles, meshes, strict=True)), roles)
for path in snakemake.output:
    write_image(path, image, snakemake.params.provenance)
