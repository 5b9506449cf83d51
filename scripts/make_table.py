"""Table 1 or 2, one row per measured method: the numbers, and the same beside the paper's."""

from pathlib import Path

from said.files import provenance
from said.files.tables import write_table
from said.files.text import read_json, write_text
from said.running.console import start
from said.tables import compare, join, tabulate

start(snakemake.log[0], snakemake.input, snakemake.output)
params, output = snakemake.params, snakemake.output
measured = join((Path(path).stem, read_json(path)) for path in snakemake.input.measurements)
measurements = {name: measured[name] for name in params.rows}
truth = join((Path(path).stem, read_json(path)) for path in snakemake.input.truth)["ground_truth"]

table = tabulate(measurements, params.label)
write_table(output.csv, table, float_format="%.4f")
provenance.write_metadata(output.metadata, output.csv, params.provenance)
print(table.to_string(index=False))
comparison = compare(measurements, params.label, params.names, truth, params.dataset)
write_text(output.markdown, comparison.markdown(params.provenance))
write_text(output.html, comparison.html(params.provenance))
