"""Table 1 or 2: one row per measured method."""

from pathlib import Path

from said import io
from said.console import start
from said.tables import tabulate

start(snakemake.log[0])
measurements = {Path(path).stem: io.read_json(path) for path in snakemake.input}
table = tabulate(measurements, snakemake.params.label)
io.write_table(snakemake.output[0], table, float_format="%.4f")
print(table.to_string(index=False))
