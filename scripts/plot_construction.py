"""Figure 2: from the source face to the coefficients of a recording."""

from said import corpus
from said.corpus import find_sentence
from said.figures.construction import construction
from said.files.arrays import read_arrays
from said.files.images import write_figure
from said.files.meshes import read_mesh
from said.rig import read_rig
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
inputs = snakemake.input
source, expressions, _ = corpus.read_source(inputs.source)
rig, fitted = read_rig(inputs.blendshapes), corpus.read_coefficients(inputs.coefficients)
sentence = find_sentence(list(fitted), snakemake.params.sentence, inputs.coefficients)
recorded = corpus.read_frames(inputs.sequences, sentence)[:, rig.vertices]
template, parts = read_mesh(inputs.template), read_arrays(inputs.regions)
figure = construction(source, expressions, template, parts, rig, recorded, fitted[sentence])
for path in snakemake.output:
    write_figure(path, figure, snakemake.params.provenance)
