"""Draw the 32 blendshapes of one speaker."""

from said import figures, io
from said.console import start

start(snakemake.log[0])
speaker = io.read_arrays(snakemake.input[0])
shapes = (speaker["template"], speaker["blendshapes"], speaker["faces"], speaker.get("colours"))
io.write_image(snakemake.output[0], figures.blendshapes(*shapes))
