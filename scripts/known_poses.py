"""Poses of the test clips that no training is needed for: the truth, another take of it, that of other speech, none."""

from said.files.arrays import write_arrays
from said.headpose.clips import names, read_clip, read_index
from said.headpose.known import known_poses
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
folder = snakemake.input.clips
clips = {name: read_clip(folder, name) for name in names(read_index(folder), "test")}
write_arrays(snakemake.output[0], known_poses(snakemake.wildcards.method, clips))
