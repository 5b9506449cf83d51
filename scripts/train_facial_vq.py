"""Train the space of facial motion on blocks of motion in eight emotions."""

from said import corpus
from said.compute import Compute, find_device
from said.files.arrays import read_arrays
from said.files.meshes import read_mesh
from said.files.text import write_jsonl
from said.headpose import facial_vq
from said.headpose.blocks import at_30
from said.headpose.lips import lip_matrix
from said.headpose.split import split
from said.rig import read_rigs
from said.running.console import start
from said.running.interruption import job_deadline
from said.training.checkpoint import Checkpoint
from said.training.facial_vq import train_facial_vq
from said.training.run import Run

start(snakemake.log[0], snakemake.input, snakemake.output)
files, params = snakemake.input, snakemake.params
sequences = read_arrays(files.emotions)
parts = {role: {name: sequences[name] for name in names} for role, names in split(list(sequences)).items()}
motions = corpus.read_sequences(files.train)
parts["train"] |= {name: at_30(motion) for name, motion in motions.items()}
landmarks, skin = corpus.read_topology(files.topology).landmarks, read_arrays(files.regions)["face"]
lips = lip_matrix(read_rigs(files.blendshapes).values(), read_mesh(files.template), landmarks, skin)

with Checkpoint(params.checkpoint, job_deadline(snakemake.resources.runtime)) as checkpoint:
    vq, history = train_facial_vq(
        parts["train"],
        parts["validation"],
        lips,
        params.settings,
        params.seed,
        run=Run("facial VQ-VAE", Compute(find_device(params.device), params.precision), checkpoint, params.events),
    )
    facial_vq.save(snakemake.output.weights, vq)
    write_jsonl(snakemake.output.history, history)
