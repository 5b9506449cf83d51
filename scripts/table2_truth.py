"""Compare every variant with the truth that only a generated corpus has."""

from pathlib import Path

from said import corpus, io
from said.console import start
from said.evaluation import jitter_ratio, truth_correlation
from said.files import provenance
from said.tables import Comparison, tabulate_truth

start(snakemake.log[0])
methods, speakers = snakemake.params.methods, snakemake.params.speakers


def named(speaker, sequences):
    return {f"{speaker}/{name}": sequence for name, sequence in sequences.items()}


truth, generated = {}, {method: {} for method in methods}
for folder in map(Path, snakemake.input.truth):
    truth |= named(folder.name, corpus.read_coefficients(folder))
for path in map(Path, snakemake.input.generated):
    generated[path.parent.name] |= named(path.stem, io.read_arrays(path))

table = tabulate_truth(
    {Path(path).stem: io.read_json(path) for path in snakemake.input.evaluations},
    {method: truth_correlation(generated[method], truth) for method in methods},
    {method: jitter_ratio(generated[method], truth) for method in methods},
    blendshapes=("jawOpen", "mouthPucker"),
)
io.write_table(snakemake.output.csv, table, float_format="%.4f")
provenance.write_metadata(snakemake.output.metadata, snakemake.output.csv, snakemake.params.provenance)
io.write_text(snakemake.output.html, Comparison(table.round(3), [], []).html(snakemake.params.provenance))
print(table.to_string(index=False))
