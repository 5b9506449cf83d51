"""Transfer the 32 blendshapes to one speaker, the second phase of deformation transfer, and put removed parts back."""

from said import corpus
from said.cleanup import Regions, crop, reattach
from said.deformation import transfer
from said.files.arrays import read_arrays
from said.files.meshes import read_colours, read_mesh
from said.rig import Rig, write_rig
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
source, expressions, _ = corpus.read_source(snakemake.input.source)
regions = Regions(**read_arrays(snakemake.input.regions))
template = read_mesh(snakemake.input.template)
face, _ = crop(template, regions.face)

moved = transfer(source, expressions, face, read_arrays(snakemake.input.correspondence)["pairs"])
head, _ = crop(template, regions.head)
colours = read_colours(template)
rig = Rig(
    head.vertices,
    reattach(template, regions, moved),
    head.faces,
    regions.head,
    None if colours is None else colours[regions.head],
)
write_rig(snakemake.output[0], rig)
