"""Draw all speakers of the corpus."""

from said import figures, io
from said.console import start

start(snakemake.log[0])
roles = snakemake.params.roles
meshes = map(io.read_mesh, snakemake.input)
image = figures.speakers(dict(zip(roles, meshes, strict=True)), roles)
for path in snakemake.output:
    io.write_image(path, image, snakemake.params.provenance)
