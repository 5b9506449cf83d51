"""Put the models that move heads beside each other, in half precision, and what made them."""

from said.files.text import write_json
from said.headpose import generator, pose_vq
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
pose_vq.save(snakemake.output.vq, pose_vq.load(snakemake.input.vq).half())
made, speakers = generator.load(snakemake.input.generator)
generator.save(snakemake.output.generator, made.half(), speakers)
write_json(snakemake.output.settings, snakemake.params.settings)
