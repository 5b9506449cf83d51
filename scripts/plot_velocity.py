"""Draw a sample of the variants with and without velocity loss: an excerpt (figure 5) and all blendshapes (9)."""

from pathlib import Path

from said import io
from said.console import start
from said.edits import find_sentence
from said.figure_velocity import draw_all, draw_excerpt

start(snakemake.log[0])
smooth, rough = (io.read_arrays(path) for path in (snakemake.input.smooth, snakemake.input.rough))
sentence = find_sentence(list(smooth), snakemake.params.sentence, snakemake.input.smooth)
draw = {"velocity": draw_excerpt, "velocity_all": draw_all}
for path in snakemake.output:
    figure = draw[Path(path).stem](smooth[sentence][0], rough[sentence][0])
    io.write_figure(path, figure, snakemake.params.provenance)
