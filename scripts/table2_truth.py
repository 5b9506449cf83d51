"""Compare every variant with the truth that only a generated corpus has."""

from pathlib import Path

from said import corpus
from said.agreement import jitter_ratio, truth_correlation
from said.files import provenance
from said.files.tables import write_table
from said.files.text import read_json, write_text
from said.running.console import start
from said.tables import Comparison, tabulate_truth

start(snakemake.log[0], snakemake.input, snakemake.output)
methods = snakemake.params.methods


truth = corpus.read_sequences(snakemake.input.truth)
paths = list(map(Path, snakemake.input.generated))
generated = {method: corpus.read_method(path for path in paths if path.parent.name == method) for method in methods}

table = tabulate_truth(
    {Path(path).stem: read_json(path) for path in snakemake.input.evaluations},
    {method: truth_correlation(generated[method], truth) for method in methods},
    {method: jitter_ratio(generated[method], truth) for method in methods},
    blendshapes=("jawOpen", "mouthPucker"),
)
write_table(snakemake.output.csv, table, float_format="%.4f")
provenance.write_metadata(snakemake.output.metadata, snakemake.output.csv, snakemake.params.provenance)
write_text(snakemake.output.html, Comparison(table.round(3), [], []).html(snakemake.params.provenance))
print(table.to_string(index=False))
