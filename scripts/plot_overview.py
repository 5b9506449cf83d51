"""Figure 1: speech in, a moving face out, by a sample of this run."""

from said import corpus
from said.corpus import find_sentence
from said.figures.overview import overview
from said.files.arrays import read_arrays
from said.files.images import write_figure
from said.running.console import start

start(snakemake.log[0])
speaker, generated = read_arrays(snakemake.input.blendshapes), read_arrays(snakemake.input.generated)
sentence = find_sentence(list(generated), snakemake.params.sentence, snakemake.input.generated)
face = (speaker["template"], speaker["blendshapes"], speaker["faces"], speaker.get("colours"))
speech = corpus.read_speech(snakemake.input.sequences, sentence)
figure = overview(*speech, generated[sentence][0], *face)
for path in snakemake.output:
    write_figure(path, figure)
