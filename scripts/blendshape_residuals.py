"""Write one speaker's blendshapes as offsets from the template, the form in which BlendVOCA is published."""

from said.arkit import SPEECH_BLENDSHAPES
from said.files.arrays import write_arrays
from said.rig import read_rig
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
rig = read_rig(snakemake.input[0])
residuals = rig.blendshapes - rig.template
write_arrays(snakemake.output[0], dict(zip(SPEECH_BLENDSHAPES, residuals, strict=True)))
