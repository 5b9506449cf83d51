"""Figure 1: speech in, a moving face out, by a sample of this run."""

from said import corpus, io, overviews
from said.console import start
from said.edits import find_sentence

start(snakemake.log[0])
speaker, generated = io.read_arrays(snakemake.input.blendshapes), io.read_arrays(snakemake.input.generated)
sentence = find_sentence(list(generated), snakemake.params.sentence, snakemake.input.generated)
face = (speaker["template"], speaker["blendshapes"], speaker["faces"], speaker.get("colours"))
speech = corpus.read_speech(snakemake.input.sequences, sentence)
figure = overviews.overview(*speech, generated[sentence][0], *face)
for path in snakemake.output:
    io.write_figure(path, figure, snakemake.params.provenance)
