"""Measure one method's motion on the meshes of the test speakers, by measures that the paper does not report."""

from pathlib import Path

import numpy as np

from said import corpus, motion
from said.files.arrays import read_arrays
from said.files.meshes import read_mesh
from said.files.text import write_json
from said.rig import read_rig, reconstruct
from said.running.console import progress, start

start(snakemake.log[0], snakemake.input, snakemake.output)
inputs = snakemake.input
landmarks = corpus.read_topology(inputs.topology).landmarks
skin = read_arrays(inputs.regions)["face"]


def measure(speaker, template, blendshapes, sequences, generated):
    """Name and measures of every clip of one speaker."""
    rig = read_rig(blendshapes)
    lips, upper = motion.face_regions(read_mesh(template), landmarks, skin)
    seen = np.concatenate([lips, upper])
    place = np.searchsorted(rig.vertices, seen)
    shapes = rig.template[place], rig.blendshapes[:, place]
    for sentence, samples in progress(corpus.read_samples(generated).items(), f"clips of {speaker}"):
        truth = corpus.read_frames(sequences, sentence)[:, seen]
        meshes = np.stack([reconstruct(*shapes, sample) for sample in samples])
        speech = corpus.read_speech(sequences, sentence)
        yield f"{speaker}/{sentence}", motion.measure_clip(truth, meshes, shapes[0], len(lips), *speech)


clips = {}
for files in zip(inputs.templates, inputs.blendshapes, inputs.sequences, inputs.generated, strict=True):
    clips |= measure(Path(files[-1]).stem, *files)
summary = motion.summarise(clips)
write_json(snakemake.output[0], summary)
print(summary)
