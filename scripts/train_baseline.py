"""Train one of the other methods of Table 1."""

from pathlib import Path

from said import corpus
from said.baselines.clips import Shared, read_mesh_clips
from said.baselines.registry import find_method
from said.compute import Compute, find_device
from said.files.tables import read_coefficients
from said.files.text import write_jsonl
from said.running.console import start
from said.running.interruption import job_deadline
from said.speech import load_encoder
from said.training.baselines import find_training
from said.training.checkpoint import Checkpoint
from said.training.run import Run

start(snakemake.log[0], snakemake.input, snakemake.output)
files, params, name = snakemake.input, snakemake.params, snakemake.wildcards.baseline
method = find_method(name)
std, topology = read_coefficients(files.std)[0], corpus.read_topology(files.topology)

with Checkpoint(params.checkpoint, job_deadline(snakemake.resources.runtime)) as checkpoint:
    model, history = find_training(name)(
        list(read_mesh_clips(files.train, files.train_sequences, files.train_templates, styles=True)),
        list(read_mesh_clips(files.validation, files.validation_sequences, files.validation_templates, styles=False)),
        params.settings,
        params.seed,
        shared=Shared(load_encoder(files.encoder), topology, std),
        run=Run(name, Compute(find_device(params.device), params.precision), checkpoint, Path(params.events)),
    )
    method.save(snakemake.output.weights, model)
    write_jsonl(snakemake.output.history, history)
