"""Standard deviation of every coefficient over the training set, in the published layout."""

from said import corpus
from said.coefficients import standard_deviation
from said.files.tables import write_coefficients
from said.running.console import start

start(snakemake.log[0])
sequences = [sequence for folder in snakemake.input for sequence in corpus.read_coefficients(folder).values()]
write_coefficients(snakemake.output[0], standard_deviation(sequences)[None])
