"""Present a test speaker's fitted coefficients as a method with one sample per sentence."""

from said import corpus
from said.files.arrays import write_arrays
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
sequences = corpus.read_coefficients(snakemake.input[0])
write_arrays(snakemake.output[0], {name: sequence[None].astype("float32") for name, sequence in sequences.items()})
