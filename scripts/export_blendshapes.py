"""Write the blendshapes of one speaker for other programs: an OBJ each, and all in one glTF file."""

from pathlib import Path

from said import gltf, io
from said.arkit import SPEECH_BLENDSHAPES
from said.console import start

start(snakemake.log[0])
speaker, folder = io.read_arrays(snakemake.input[0]), Path(snakemake.output.obj)
template, faces = speaker["template"], speaker["faces"]
shapes = dict(zip(SPEECH_BLENDSHAPES, speaker["blendshapes"], strict=True))

for name, vertices in {"neutral": template, **shapes}.items():
    io.write_mesh(folder / f"{name}.obj", vertices, faces)
gltf.write_morph_targets(snakemake.output.glb, template, faces, shapes, speaker.get("colours"))
