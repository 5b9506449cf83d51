"""The table of head poses, one row per method."""

from pathlib import Path

from said.files import provenance
from said.files.tables import write_table
from said.files.text import read_json, write_text
from said.headpose.tables import page, tabulate
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
params, output = snakemake.params, snakemake.output
measurements = {Path(path).stem: read_json(path) for path in snakemake.input}
table = tabulate(measurements)
write_table(output.csv, table, float_format="%.4f")
provenance.write_metadata(output.metadata, output.csv, params.provenance)
print(table.T.to_string())
comparison = page(measurements, params.embedded)
write_text(output.markdown, comparison.markdown(params.provenance))
write_text(output.html, comparison.html(params.provenance))
