"""What the paper does not report, beside its tables: per variant, with intervals over the test clips and over seeds."""

from pathlib import Path

from said.files.tables import write_table
from said.files.text import read_json, write_text
from said.running.console import start
from said.tables import beyond_page, join, tabulate_beyond

start(snakemake.log[0], snakemake.input, snakemake.output)
measurements = join((Path(path).stem, read_json(path)) for path in snakemake.input)
table = tabulate_beyond(measurements, snakemake.params.measures, snakemake.params.trainings)
write_table(snakemake.output.csv, table, float_format="%.4f")
write_text(snakemake.output.html, beyond_page(table, measurements).html())
print(table.to_string(index=False))
