"""Read the published weights of SyncNet into the project's own format."""

from said import syncnet
from said.console import start

start(snakemake.log[0])
model = syncnet.load_official(snakemake.params.path)
syncnet.save(snakemake.output[0], model)
print(model.origin)
