"""Train one variant of SAiD."""

from said import corpus, model
from said.compute import Compute, find_device
from said.files.tables import read_coefficients
from said.files.text import write_jsonl
from said.rig import read_rigs
from said.running.console import start
from said.running.interruption import job_deadline
from said.speech import load_encoder
from said.training.checkpoint import Checkpoint
from said.training.run import Run
from said.training.said import train_said
from said.training.windows import Clip, SaidSettings
from said.waveforms import prepare_waveform

start(snakemake.log[0], snakemake.input, snakemake.output)
files, params = snakemake.input, snakemake.params
rigs = read_rigs(files.blendshapes, corpus.read_topology(files.topology))


def clips(coefficients, sequences):
    return [
        Clip.of(name, values, prepare_waveform(waveform, rate), rigs.get(name.split("/")[0]))
        for name, values, waveform, rate in corpus.read_clips(coefficients, sequences)
    ]


with Checkpoint(params.checkpoint, job_deadline(snakemake.resources.runtime)) as checkpoint:
    said, history = train_said(
        clips(files.train, files.train_speech),
        clips(files.validation, files.validation_speech),
        load_encoder(files.encoder),
        SaidSettings.of(params.settings),
        params.seed,
        std=read_coefficients(files.std)[0],
        run=Run(
            snakemake.wildcards.variant,
            Compute(find_device(params.device), params.precision, params.compile),
            checkpoint,
            params.events,
        ),
        cache_bytes=snakemake.resources.window_cache_mb * 10**6,
    )
    model.save(snakemake.output.weights, said)
    write_jsonl(snakemake.output.history, history)
