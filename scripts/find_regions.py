"""Find the parts of a head that the clean-up of the templates removes."""

from said import corpus
from said.cleanup import find_regions
from said.files.arrays import write_arrays
from said.files.meshes import read_mesh
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
topology = corpus.read_topology(snakemake.input.topology)
head = topology.head if len(topology.head) else None
regions = find_regions(read_mesh(snakemake.input.template[0]), topology.landmarks, head)
write_arrays(snakemake.output[0], vars(regions))
