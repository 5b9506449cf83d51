"""Draw all speakers of the corpus."""

from said import figures, io
from said.console import start

start(snakemake.log[0])
roles = snakemake.params.roles
meshes = map(io.read_mesh, snakemake.input)
io.write_image(snakemake.output[0], figures.speakers(dict(zip(roles, meshes, strict=True)), roles))
