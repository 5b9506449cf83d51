"""Show on held-out real clips that AV offset and confidence measure what they claim."""

from said import corpus
from said.compute import find_device
from said.figures.lipsync import draw
from said.files.images import write_figure
from said.files.tables import write_table
from said.lipsync import syncnet, validation
from said.rig import read_rigs
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
files = snakemake.input
model = syncnet.load(files.weights).to(find_device(snakemake.params.device))
clips, speech = {}, {}
for name, coefficients, waveform, rate in corpus.read_clips(files.coefficients, files.sequences):
    clips[name], speech[name] = coefficients, (waveform, rate)

rigs = read_rigs(files.blendshapes, corpus.read_topology(files.topology))
measured = validation.prove(model, rigs, clips, speech)
summary = validation.summarise(measured)
write_table(snakemake.output.table, summary, float_format="%.4f")
for path in snakemake.output.figures:
    write_figure(path, draw(measured, model.origin), snakemake.params.provenance)
print(summary.to_string(index=False))
