"""Figure 1: speech in, a moving face out, shown by a sample of this run."""

from said import corpus
from said.corpus import find_sentence
from said.figures.overview import overview
from said.files.images import write_figure
from said.rig import read_rig
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
rig, generated = read_rig(snakemake.input.blendshapes), corpus.read_samples(snakemake.input.generated)
sentence = find_sentence(list(generated), snakemake.params.sentence, snakemake.input.generated)
speech = corpus.read_speech(snakemake.input.sequences, sentence)
figure = overview(*speech, generated[sentence][0], rig)
for path in snakemake.output:
    write_figure(path, figure, snakemake.params.provenance)
