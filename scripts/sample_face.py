"""Ask one variant of the dual-path network for every sentence of a test speaker."""

from said import corpus
from said.compute import find_device
from said.headpose import dual_path
from said.headpose.spoken_face import animate
from said.running.console import progress, start
from said.speech import load_encoder

start(snakemake.log[0], snakemake.input, snakemake.output)
files, device = snakemake.input, find_device(snakemake.params.device)
model, encoder = dual_path.load(files.weights).to(device), load_encoder(files.encoder).to(device)

samples = {}
for sentence in progress(corpus.sentences(files.speech), "sentences"):
    samples[sentence] = animate(model, encoder, *corpus.read_speech(files.speech, sentence))[None]
corpus.write_samples(snakemake.output[0], samples)
