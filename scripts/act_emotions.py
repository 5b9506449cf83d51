"""Let generated speakers talk in eight emotions: motion for the codebook of the face."""

from said.files.arrays import write_arrays
from said.running.console import start
from said.synthetic.emotion import act_emotions

start(snakemake.log[0], snakemake.input, snakemake.output)
params = snakemake.params
write_arrays(snakemake.output[0], dict(act_emotions(params.actors, params.utterances, params.seed)))
