"""Train a SyncNet on films of the training speakers."""

from said import corpus
from said.compute import Compute, find_device
from said.files.text import write_jsonl
from said.lipsync import syncnet
from said.lipsync.training import Recording, SyncNetSettings, train_syncnet
from said.rig import read_rigs
from said.running.console import start
from said.running.interruption import job_deadline
from said.training.checkpoint import Checkpoint
from said.training.run import Run

start(snakemake.log[0], snakemake.input, snakemake.output)
files, params = snakemake.input, snakemake.params


def recordings(coefficients, sequences):
    clips = corpus.read_clips(coefficients, sequences)
    return [Recording(name.split("/")[0], *clip) for name, *clip in clips]


with Checkpoint(params.checkpoint, job_deadline(snakemake.resources.runtime)) as checkpoint:
    model, history = train_syncnet(
        read_rigs(files.blendshapes, corpus.read_topology(files.topology)),
        recordings(files.train, files.train_sequences),
        recordings(files.validation, files.validation_sequences),
        SyncNetSettings.of(params.settings),
        params.seed,
        run=Run("SyncNet", Compute(find_device(params.device)), checkpoint, params.events),
    )
    syncnet.save(snakemake.output.weights, model)
    write_jsonl(snakemake.output.history, history)
