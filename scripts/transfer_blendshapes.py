"""Give one speaker the 32 blendshapes: the second phase of deformation transfer, and the removed parts put back."""

from said import corpus, io
from said.cleanup import Regions, crop, reattach
from said.console import start
from said.deformation import transfer

start(snakemake.log[0], snakemake.input, snakemake.output)
source, expressions, _ = corpus.read_source(snakemake.input.source)
regions = Regions(**io.read_arrays(snakemake.input.regions))
template = io.read_mesh(snakemake.input.template)
face, _ = crop(template, regions.face)

moved = transfer(source, expressions, face, io.read_arrays(snakemake.input.correspondence)["pairs"])
head, _ = crop(template, regions.head)
arrays = {
    "template": head.vertices,
    "blendshapes": reattach(template, regions, moved),
    "faces": head.faces,
    "vertices": regions.head,
}
if (colours := io.read_colours(template)) is not None:
    arrays["colours"] = colours[regions.head]
io.write_arrays(snakemake.output[0], arrays)
