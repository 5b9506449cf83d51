"""Fit the coefficients of every sentence of one speaker, and measure how well they explain it."""

from said import corpus, quality
from said.arkit import SPEECH_BLENDSHAPES
from said.coefficients import fit_coefficients, vertex_rms
from said.files.arrays import write_arrays
from said.files.meshes import read_mesh
from said.files.tables import write_table
from said.rig import read_rig
from said.running.console import naming, progress, start

start(snakemake.log[0], snakemake.input, snakemake.output)
params, sequences = snakemake.params, snakemake.input.sequences
vertices = len(read_mesh(snakemake.input.template).vertices)
rig = read_rig(snakemake.input.blendshapes)
settings = {"max_step": params.max_step, "solver": params.solver, "ridge": params.ridge, "names": SPEECH_BLENDSHAPES}

names, fitted, errors = corpus.sentences(sequences), {}, []
for sentence in progress(names, "sentences"):
    with naming(f"{snakemake.wildcards.speaker}/{sentence}"):
        frames = corpus.read_frames(sequences, sentence, vertices)[:, rig.vertices]
        fitted[sentence] = fit_coefficients(rig.template, rig.blendshapes, frames, **settings)
    errors.append(vertex_rms(rig.template, rig.blendshapes, fitted[sentence], frames))
corpus.write_coefficients(snakemake.output.coefficients, fitted)

residuals = quality.collect(names, errors)
write_arrays(snakemake.output.residuals, vars(residuals))
write_table(snakemake.output.quality, quality.table(residuals), float_format="%.6f")
