"""Write what each blendshape of one speaker adds to the template, as BlendVOCA publishes it."""

from said.arkit import SPEECH_BLENDSHAPES
from said.files.arrays import write_arrays
from said.rig import read_rig
from said.running.console import start

start(snakemake.log[0])
rig = read_rig(snakemake.input[0])
residuals = rig.blendshapes - rig.template
write_arrays(snakemake.output[0], dict(zip(SPEECH_BLENDSHAPES, residuals, strict=True)))
