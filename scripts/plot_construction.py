"""Figure 2: from the source face to the coefficients of a recording."""

from said import corpus, io, overviews
from said.console import start
from said.edits import find_sentence

start(snakemake.log[0])
inputs = snakemake.input
source, expressions, _ = corpus.read_source(inputs.source)
speaker, fitted = io.read_arrays(inputs.blendshapes), corpus.read_coefficients(inputs.coefficients)
sentence = find_sentence(list(fitted), snakemake.params.sentence, inputs.coefficients)
recorded = corpus.read_frames(inputs.sequences, sentence)[:, speaker["vertices"]]
template, parts = io.read_mesh(inputs.template), io.read_arrays(inputs.regions)
figure = overviews.construction(source, expressions, template, parts, speaker, recorded, fitted[sentence])
for path in snakemake.output:
    io.write_figure(path, figure, snakemake.params.provenance)
