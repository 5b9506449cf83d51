"""Draw how well one speaker's blendshapes explain the recorded frames."""

from said import corpus, quality
from said.figures.quality import sheet
from said.files.arrays import read_arrays
from said.files.images import write_figure
from said.rig import read_rig
from said.running.console import start

start(snakemake.log[0])
residuals = quality.Residuals(**read_arrays(snakemake.input.residuals))
rig = read_rig(snakemake.input.blendshapes)
sequences = list(corpus.read_coefficients(snakemake.input.coefficients).values())
figure = sheet(
    snakemake.wildcards.speaker,
    residuals,
    quality.limit_shares(sequences, snakemake.params.max_step),
    rig.template,
    rig.faces,
    corpus.FRAME_RATE,
)
write_figure(snakemake.output[0], figure)
