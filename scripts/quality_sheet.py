"""Draw how well one speaker's blendshapes explain the recorded frames."""

from said import corpus, io, quality
from said.console import start
from said.quality_sheet import sheet

start(snakemake.log[0], snakemake.input, snakemake.output)
residuals = quality.Residuals(**io.read_arrays(snakemake.input.residuals))
speaker = io.read_arrays(snakemake.input.blendshapes)
sequences = list(corpus.read_coefficients(snakemake.input.coefficients).values())
figure = sheet(
    snakemake.wildcards.speaker,
    residuals,
    quality.limit_shares(sequences, snakemake.params.max_step),
    speaker["template"],
    speaker["faces"],
    corpus.FRAME_RATE,
)
io.write_figure(snakemake.output[0], figure)
