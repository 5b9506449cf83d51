"""Train a SyncNet on films of the training speakers."""

from said import corpus, io, syncnet
from said.checkpoint import Checkpoint
from said.compute import find_device
from said.console import start
from said.interruption import job_deadline
from said.lipsync import read_faces
from said.lipsync_training import Recording, train_syncnet

start(snakemake.log[0], snakemake.input, snakemake.output)
files, params = snakemake.input, snakemake.params


def recordings(coefficients, sequences):
    clips = corpus.read_clips(coefficients, sequences)
    return [Recording(name.split("/")[0], *clip) for name, *clip in clips]


with Checkpoint(params.checkpoint, job_deadline(snakemake.resources.runtime)) as checkpoint:
    model, history = train_syncnet(
        read_faces(files.blendshapes, corpus.read_topology(files.topology)),
        recordings(files.train, files.train_sequences),
        recordings(files.validation, files.validation_sequences),
        params.settings,
        params.seed,
        device=find_device(params.device),
        checkpoint=checkpoint,
        events=params.events,
    )
    syncnet.save(snakemake.output.weights, model)
    io.write_jsonl(snakemake.output.history, history)
