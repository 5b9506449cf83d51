"""Show on held-out real clips that AV offset and confidence measure what they claim."""

from said import corpus, io, lipsync_proof, syncnet
from said.compute import find_device
from said.console import start
from said.lipsync import read_faces

start(snakemake.log[0])
files = snakemake.input
model = syncnet.load(files.weights).to(find_device(snakemake.params.device))
clips, speech = {}, {}
for name, coefficients, waveform, rate in corpus.read_clips(files.coefficients, files.sequences):
    clips[name], speech[name] = coefficients, (waveform, rate)

faces = read_faces(files.blendshapes, corpus.read_topology(files.topology))
measured = lipsync_proof.prove(model, faces, clips, speech)
summary = lipsync_proof.summarise(measured)
io.write_table(snakemake.output.table, summary, float_format="%.4f")
for path in snakemake.output.figures:
    io.write_figure(path, lipsync_proof.draw(measured, model.origin), snakemake.params.provenance)
print(summary.to_string(index=False))
