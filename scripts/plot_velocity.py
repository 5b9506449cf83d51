"""Draw a sample of the variants with and without velocity loss: an excerpt (figure 5) and all blendshapes (9)."""

from pathlib import Path

from said.corpus import find_sentence, read_samples
from said.figures.velocity import draw_all, draw_excerpt
from said.files.images import write_figure
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
smooth, rough = (read_samples(path) for path in (snakemake.input.smooth, snakemake.input.rough))
sentence = find_sentence(list(smooth), snakemake.params.sentence, snakemake.input.smooth)
draw = {"velocity": draw_excerpt, "velocity_all": draw_all}
for path in snakemake.output:
    figure = draw[Path(path).stem](smooth[sentence][0], rough[sentence][0])
    write_figure(path, figure, snakemake.params.provenance)
