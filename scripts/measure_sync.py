"""Measure AV offset and confidence of one method on films of its samples, or of a part of its clips."""

from said import corpus
from said.compute import find_device
from said.files.finished import Finished
from said.files.text import write_json
from said.lipsync import syncnet
from said.lipsync.measure import identity, measure_clips, part_of, summarise
from said.rig import read_rigs
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
files, params = snakemake.input, snakemake.params

generated = corpus.read_method(files.generated)
generated = {name: generated[name] for name in part_of(generated, params.part, params.parts)}
speech = corpus.read_speeches(files.sequences, generated)
model = syncnet.load(files.weights).to(find_device(params.device))
rigs = read_rigs(files.blendshapes, corpus.read_topology(files.topology))
with Finished(params.finished, [params.code, identity(model, rigs)]) as finished:
    measured = measure_clips(model, rigs, generated, speech, params.samples, finished=finished)
    write_json(snakemake.output[0], measured if params.parts > 1 else summarise([measured]))
print({key: value for key, value in summarise([measured]).items() if key != "clips"})
