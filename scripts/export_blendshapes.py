"""Write the blendshapes of one speaker for other programs: an OBJ each, and all in one glTF file."""

from said.arkit import SPEECH_BLENDSHAPES
from said.files import gltf
from said.files.meshes import write_mesh
from said.rig import read_rig
from said.running.atomic import atomic_folder
from said.running.console import start

start(snakemake.log[0])
rig = read_rig(snakemake.input[0])
shapes = dict(zip(SPEECH_BLENDSHAPES, rig.blendshapes, strict=True))

with atomic_folder(snakemake.output.obj) as folder:
    for name, vertices in {"neutral": rig.template, **shapes}.items():
        write_mesh(folder / f"{name}.obj", vertices, rig.faces)
gltf.write_morph_targets(snakemake.output.glb, rig.template, rig.faces, shapes, rig.colours)
