"""Measure what neither Table 1 nor its neighbours do of a face: squared lip error, jumps between blocks, the jaw."""

from pathlib import Path

import numpy as np

from said import corpus, motion
from said.files.arrays import read_arrays
from said.files.meshes import read_mesh
from said.files.text import write_json
from said.headpose.face_measures import measure_clip, summarise
from said.rig import read_rig, reconstruct
from said.running.console import progress, start

start(snakemake.log[0], snakemake.input, snakemake.output)
files = snakemake.input
landmarks = corpus.read_topology(files.topology).landmarks
skin = read_arrays(files.regions)["face"]

clips, real = {}, corpus.read_method(files.real)
generated = corpus.read_method(files.generated)
for template, blendshapes, folder in zip(files.templates, files.blendshapes, files.sequences, strict=True):
    rig, speaker = read_rig(blendshapes), Path(folder).name
    lips, _ = motion.face_regions(read_mesh(template), landmarks, skin)
    place = np.searchsorted(rig.vertices, lips)
    shapes = rig.template[place], rig.blendshapes[:, place]
    for sentence in progress(corpus.sentences(folder), f"clips of {speaker}"):
        name = f"{speaker}/{sentence}"
        meshes = (reconstruct(*shapes, sample) for sample in generated[name])
        clips[name] = measure_clip(
            real[name][0], generated[name], corpus.read_frames(folder, sentence)[:, lips], meshes
        )
summary = summarise(clips, generated, {name: samples[0] for name, samples in real.items()})
write_json(snakemake.output[0], summary)
print(summary)
