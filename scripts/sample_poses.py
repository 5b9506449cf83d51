"""Sample head poses for every test clip from one variant of the generator."""

from said.compute import find_device
from said.files.arrays import write_arrays
from said.headpose.sampling import PoseModels, PoseSampling, sample_clips
from said.headpose.spoken import read_spoken
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
files, params = snakemake.input, snakemake.params
models, speakers = PoseModels.load(files.vq, files.weights, find_device(params.device))
config = models.generator.config
inputs = {"rhythm_input": config.rhythm_input, "semantic_input": config.semantic_input}
spoken = read_spoken(files.clips, files.features, "test", speakers, **inputs)
write_arrays(snakemake.output[0], sample_clips(models, spoken, params.seed, PoseSampling.of(params.sampling)))
