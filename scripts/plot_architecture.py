"""Figure 3: the parts of the trained model, counted."""

from said import io, model, overviews
from said.console import start
from said.speech import load_encoder

start(snakemake.log[0])
said, encoder = model.load(snakemake.input.weights), load_encoder(snakemake.input.encoder)
figure = overviews.architecture(said, said.audio_encoder or encoder, snakemake.params.variant)
for path in snakemake.output:
    io.write_figure(path, figure, snakemake.params.provenance)
