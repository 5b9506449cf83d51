"""Figure 3: the parts of the trained model, counted."""

from said import model
from said.figures.architecture import architecture
from said.files.images import write_figure
from said.running.console import start
from said.speech import load_encoder

start(snakemake.log[0], snakemake.input, snakemake.output)
said, encoder = model.load(snakemake.input.weights), load_encoder(snakemake.input.encoder)
figure = architecture(said, said.audio_encoder or encoder, snakemake.params.variant)
for path in snakemake.output:
    write_figure(path, figure, snakemake.params.provenance)
