"""Collect how well the coefficients explain the recorded frames, for all speakers' sentences in one table."""

import pandas as pd

from said.files.tables import read_table, write_table
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
tables = dict(zip(snakemake.params.speakers, map(read_table, snakemake.input), strict=True))
table = pd.concat(tables, names=["speaker", None]).reset_index("speaker")
write_table(snakemake.output[0], table, float_format="%.6f")
