"""Measure the head poses of one method on the test clips."""

from said.files.arrays import read_arrays
from said.files.text import write_json
from said.headpose import fid
from said.headpose.clips import names, read_clip, read_index
from said.headpose.measures import measure
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
folder, path = snakemake.input.clips, snakemake.input.poses
clips = {name: read_clip(folder, name) for name in names(read_index(folder), "test")}
samples = read_arrays(path)
try:
    measures = measure(samples, clips)
except ValueError as error:
    raise ValueError(f"{path}: {error}") from None
real = {name: clip.pose for name, clip in clips.items()}
distance = fid.measure_fid(fid.load(snakemake.input.extractor), real, samples)
measures |= distance | {"notes": measures["notes"] | distance["notes"]}
write_json(snakemake.output[0], measures)
print(measures)
