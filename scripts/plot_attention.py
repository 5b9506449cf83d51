"""Draw the cross-attention of the variants with and without alignment bias."""

from said import corpus, io, model
from said.console import start
from said.edits import find_sentence
from said.figure_attention import draw_attention, listen
from said.speech import load_encoder, prepare_waveform

start(snakemake.log[0])
truth, encoder = io.read_arrays(snakemake.input.truth), load_encoder(snakemake.input.encoder)
sentence = find_sentence(list(truth), snakemake.params.sentence, snakemake.input.truth)
waveform = prepare_waveform(*corpus.read_speech(snakemake.input.sequences, sentence))
weights = dict(zip(snakemake.params.titles, snakemake.input.weights, strict=True))
maps = {title: listen(model.load(path), encoder, waveform, truth[sentence][0]) for title, path in weights.items()}
for path in snakemake.output:
    io.write_figure(path, draw_attention(maps), snakemake.params.provenance)
