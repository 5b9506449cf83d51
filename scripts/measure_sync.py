"""Measure AV offset and confidence of one method on the films of its samples."""

from pathlib import Path

from said import corpus
from said.compute import find_device
from said.files.arrays import read_arrays
from said.files.finished import Finished
from said.files.text import write_json
from said.lipsync import syncnet
from said.lipsync.measure import identity, measure_method
from said.rig import read_faces
from said.running.console import start

start(snakemake.log[0])
files, params = snakemake.input, snakemake.params

speakers = [Path(path).stem for path in files.generated]
generated = {
    f"{speaker}/{name}": samples
    for speaker, path in zip(speakers, files.generated, strict=True)
    for name, samples in read_arrays(path).items()
}
folders = dict(zip(speakers, files.sequences, strict=True))
model = syncnet.load(files.weights).to(find_device(params.device))
faces = read_faces(files.blendshapes, corpus.read_topology(files.topology))
speech = {name: corpus.read_speech(folders[name.split("/")[0]], name.split("/")[1]) for name in generated}
with Finished(params.finished, [params.code, identity(model, faces)]) as finished:
    measured = measure_method(model, faces, generated, speech, params.samples, finished=finished)
    write_json(snakemake.output[0], measured)
print({key: value for key, value in measured.items() if key != "clips"})
