"""Draw the cross-attention of the variants with and without alignment bias."""

from said import corpus, model
from said.corpus import find_sentence, read_samples
from said.figures.attention import draw_attention, listen
from said.files.images import write_figure
from said.running.console import start
from said.speech import load_encoder
from said.waveforms import prepare_waveform

start(snakemake.log[0], snakemake.input, snakemake.output)
truth, encoder = read_samples(snakemake.input.truth), load_encoder(snakemake.input.encoder)
sentence = find_sentence(list(truth), snakemake.params.sentence, snakemake.input.truth)
waveform = prepare_waveform(*corpus.read_speech(snakemake.input.sequences, sentence))
weights = dict(zip(snakemake.params.titles, snakemake.input.weights, strict=True))
maps = {title: listen(model.load(path), encoder, waveform, truth[sentence][0]) for title, path in weights.items()}
for path in snakemake.output:
    write_figure(path, draw_attention(maps), snakemake.params.provenance)
