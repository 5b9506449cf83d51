"""Write the blendshapes of one speaker for other programs: an OBJ each, and all in one glTF file."""

from said.arkit import SPEECH_BLENDSHAPES
from said.files import gltf
from said.files.arrays import read_arrays
from said.files.meshes import write_mesh
from said.running.atomic import atomic_folder
from said.running.console import start

start(snakemake.log[0])
speaker = read_arrays(snakemake.input[0])
template, faces = speaker["template"], speaker["faces"]
shapes = dict(zip(SPEECH_BLENDSHAPES, speaker["blendshapes"], strict=True))

with atomic_folder(snakemake.output.obj) as folder:
    for name, vertices in {"neutral": template, **shapes}.items():
        write_mesh(folder / f"{name}.obj", vertices, faces)
gltf.write_morph_targets(snakemake.output.glb, template, faces, shapes, speaker.get("colours"))
