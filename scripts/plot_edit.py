"""Draw one edit, or several beside each other."""

from said.figures.editing import draw_edits
from said.files.arrays import read_arrays
from said.files.images import write_figure
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
arrays = map(read_arrays, snakemake.input)
figure = draw_edits(dict(zip(snakemake.params.titles, arrays, strict=True)))
for path in snakemake.output:
    write_figure(path, figure, snakemake.params.provenance)
