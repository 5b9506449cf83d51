"""Compare how trainings learn: a table of their last validations, with what more steps may give, and a figure."""

from said.figures.learning import learning
from said.files.images import write_figure
from said.files.tables import write_table
from said.files.text import read_jsonl
from said.running.console import start
from said.training.extrapolation import learning_table

start(snakemake.log[0], snakemake.input, snakemake.output)
histories = dict(zip(snakemake.params.trainings, map(read_jsonl, snakemake.input), strict=True))
write_table(snakemake.output.table, learning_table(histories), float_format="%.4g")
for path in snakemake.output.figures:
    write_figure(path, learning(histories), snakemake.params.provenance)
