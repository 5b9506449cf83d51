"""What the paper does not report, beside its tables: per variant, with intervals over the test clips and over seeds."""

from pathlib import Path

from said.files import provenance
from said.files.tables import write_table
from said.files.text import read_json, write_text
from said.running.console import start
from said.tables import beyond_page, join, tabulate_beyond

start(snakemake.log[0], snakemake.input, snakemake.output)
params, output = snakemake.params, snakemake.output
measurements = join((Path(path).stem, read_json(path)) for path in snakemake.input)
table = tabulate_beyond(measurements, params.measures, params.trainings)
write_table(output.csv, table, float_format="%.4f")
provenance.write_metadata(output.metadata, output.csv, params.provenance)
write_text(output.html, beyond_page(table, measurements).html(params.provenance))
print(table.to_string(index=False))
