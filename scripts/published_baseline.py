"""Read the authors' weights of one of the other methods of Table 1, and store them as this project does."""

from pathlib import Path

from said import corpus
from said.baselines.clips import Shared
from said.baselines.registry import find_method
from said.files.tables import read_coefficients
from said.running.console import start
from said.speech import load_encoder
from said.vocaset.receipts import require_unchanged

start(snakemake.log[0], snakemake.input, snakemake.output)
files, params = snakemake.input, snakemake.params
require_unchanged(files.receipts)
method = find_method(snakemake.wildcards.baseline)
shared = Shared(load_encoder(files.encoder), corpus.read_topology(files.topology), read_coefficients(files.std)[0])
method.save(snakemake.output.weights, method.read_published(list(map(Path, params.paths)), shared, params.settings))
