"""Find the parts that the clean-up of the templates takes away."""

from said import corpus, io
from said.cleanup import find_regions
from said.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
topology = corpus.read_topology(snakemake.input.topology)
head = topology.head if len(topology.head) else None
regions = find_regions(io.read_mesh(snakemake.input.template[0]), topology.landmarks, head)
io.write_arrays(snakemake.output[0], vars(regions))
