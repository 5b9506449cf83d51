"""Write one variant of SAiD for the authors' programs."""

from said import model
from said.running.console import start
from said.speech import load_encoder

start(snakemake.log[0])
model.export_official(snakemake.output[0], model.load(snakemake.input.weights), load_encoder(snakemake.input.encoder))
