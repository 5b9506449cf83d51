"""Draw how often each code of head motion is used: by the truth, and by what was sampled."""

from pathlib import Path

from said.figures.headpose_codes import draw_codes
from said.files.arrays import read_arrays
from said.files.images import write_figure
from said.headpose import pose_vq
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
methods = {Path(path).stem: read_arrays(path) for path in snakemake.input.poses}
figure = draw_codes(pose_vq.load(snakemake.input.vq), methods)
for path in snakemake.output:
    write_figure(path, figure, snakemake.params.provenance)
