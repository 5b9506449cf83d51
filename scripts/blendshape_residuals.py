"""Write what each blendshape of one speaker adds to the template, as BlendVOCA publishes it."""

from said.arkit import SPEECH_BLENDSHAPES
from said.files.arrays import read_arrays, write_arrays
from said.running.console import start

start(snakemake.log[0])
speaker = read_arrays(snakemake.input[0])
residuals = speaker["blendshapes"] - speaker["template"]
write_arrays(snakemake.output[0], dict(zip(SPEECH_BLENDSHAPES, residuals, strict=True)))
