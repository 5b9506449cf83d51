"""Put one variant of SAiD and its speech encoder into one file, in half precision, beside what made them."""

from said import model
from said.files.text import write_json
from said.running.console import start
from said.speech import load_encoder

start(snakemake.log[0], snakemake.input, snakemake.output)
said = model.load(snakemake.input.weights)
said.audio_encoder = said.audio_encoder or load_encoder(snakemake.input.encoder)
model.save(snakemake.output.weights, said.half())
write_json(snakemake.output.settings, snakemake.params.settings)
