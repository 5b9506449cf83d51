"""The true head poses of the test clips through the VQ-VAE: what bounds everything sampled."""

from said.compute import find_device
from said.files.arrays import write_arrays
from said.headpose import pose_vq
from said.headpose.sampling import rebuild_clips
from said.headpose.spoken import read_directions
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
vq = pose_vq.load(snakemake.input.vq).to(find_device(snakemake.params.device))
write_arrays(snakemake.output[0], rebuild_clips(vq, *read_directions(snakemake.input.clips, "test")))
