"""Draw one edit, or several beside each other."""

from said import io
from said.console import start
from said.figure_editing import draw_edits

start(snakemake.log[0])
arrays = map(io.read_arrays, snakemake.input)
figure = draw_edits(dict(zip(snakemake.params.titles, arrays, strict=True)))
for path in snakemake.output:
    io.write_figure(path, figure, snakemake.params.provenance)
