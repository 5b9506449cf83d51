"""What the paper does not report, beside its tables: per variant, with intervals over the test clips and over seeds."""

from pathlib import Path

from said import io
from said.console import start
from said.tables import beyond_page, join, tabulate_beyond

start(snakemake.log[0], snakemake.input, snakemake.output)
measurements = join((Path(path).stem, io.read_json(path)) for path in snakemake.input)
table = tabulate_beyond(measurements, snakemake.params.measures, snakemake.params.trainings)
io.write_table(snakemake.output.csv, table, float_format="%.4f")
io.write_text(snakemake.output.html, beyond_page(table, measurements).html())
print(table.to_string(index=False))
