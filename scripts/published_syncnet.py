"""Convert the published weights of SyncNet to the project's own format."""

from said.lipsync import syncnet
from said.running.console import start
from said.vocaset.receipts import require_unchanged

start(snakemake.log[0], snakemake.input, snakemake.output)
require_unchanged(snakemake.input.receipts)
model = syncnet.load_official(snakemake.params.path)
syncnet.save(snakemake.output[0], model)
print(model.origin)
