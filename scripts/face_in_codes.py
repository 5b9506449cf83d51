"""Say the true motion of a test speaker in the words of the codebook: what no path through it can be better than."""

from said import corpus
from said.headpose import facial_vq
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
vq = facial_vq.load(snakemake.input.weights)
motions = corpus.read_coefficients(snakemake.input.coefficients)
corpus.write_samples(
    snakemake.output[0], {name: facial_vq.in_codes(vq, motion)[None] for name, motion in motions.items()}
)
