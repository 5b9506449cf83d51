"""Train the space of facial motion on blocks of motion in eight emotions."""

from pathlib import Path

from said.compute import Compute, find_device
from said.files.arrays import read_arrays
from said.files.text import write_jsonl
from said.headpose import facial_vq
from said.headpose.split import split
from said.running.console import start
from said.running.interruption import job_deadline
from said.training.checkpoint import Checkpoint
from said.training.facial_vq import train_facial_vq

start(snakemake.log[0], snakemake.input, snakemake.output)
params = snakemake.params
sequences = read_arrays(snakemake.input[0])
train, validation, _ = ({name: sequences[name] for name in part} for part in split(sequences))

with Checkpoint(params.checkpoint, job_deadline(snakemake.resources.runtime)) as checkpoint:
    vq, history = train_facial_vq(
        train,
        validation,
        params.settings,
        params.seed,
        compute=Compute(find_device(params.device), params.precision),
        checkpoint=checkpoint,
        events=Path(params.events),
    )
    facial_vq.save(snakemake.output.weights, vq)
    write_jsonl(snakemake.output.history, history)
