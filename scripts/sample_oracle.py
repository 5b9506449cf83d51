"""Let the generator record other takes of the test sentences: samples of the true distribution given the speech."""

from pathlib import Path

import numpy as np

from said import corpus
from said.coefficients import fit_coefficients
from said.files.arrays import read_arrays
from said.files.tables import read_table
from said.rig import read_rig
from said.running.console import progress, start
from said.synthetic.actor import act, cast, face_of, phones_of

start(snakemake.log[0], snakemake.input, snakemake.output)
params = snakemake.params
actor = cast(params.index, params.speakers, params.seed)

face = face_of(read_arrays(snakemake.input.face))
rig = read_rig(snakemake.input.blendshapes)


def take_again(phones, take):
    """Coefficients of another take, fitted to its meshes as those of the corpus are."""
    _, frames = act(actor, face, phones, take=take, noise=params.noise)
    return fit_coefficients(rig.template, rig.blendshapes, frames[:, rig.vertices], params.max_step, params.solver)


samples = {}
for path in progress(sorted(Path(snakemake.input.truth, "phones").glob("*.csv")), "sentences"):
    phones = phones_of(read_table(path))
    takes = [take_again(phones, take) for take in range(1, params.samples + 1)]
    samples[path.stem] = np.stack(takes).astype("float32")
corpus.write_samples(snakemake.output[0], samples)
