"""Inspect all meshes and recordings of one VOCASET speaker."""

from said.files.text import write_json
from said.running.console import start
from said.vocaset import audit
from said.vocaset.receipts import require_unchanged
from said.vocaset.release import open_release, read_faces

start(snakemake.log[0], snakemake.input, snakemake.output)
params = snakemake.params
require_unchanged(snakemake.input.receipts)
release = open_release(params.path, read_faces(params.topology), params.limit)
inspection = audit.inspect(release, snakemake.wildcards.speaker, params.sentences, params.tolerance)
write_json(snakemake.output[0], inspection.to_json())
