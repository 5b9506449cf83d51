"""Train one variant of the dual-path network."""

from pathlib import Path

from said import corpus
from said.compute import Compute, find_device
from said.files.text import write_jsonl
from said.headpose import dual_path, facial_vq
from said.headpose.spoken_face import SpokenFace
from said.running.console import start
from said.running.interruption import job_deadline
from said.speech import load_encoder
from said.training.checkpoint import Checkpoint
from said.training.dual_path import DualPathSettings, train_dual_path
from said.training.run import Run

start(snakemake.log[0], snakemake.input, snakemake.output)
files, params = snakemake.input, snakemake.params
settings, device = DualPathSettings.of(params.settings), find_device(params.device)
encoder = load_encoder(files.encoder).to(device)
styles = {Path(folder).name: number for number, folder in enumerate(files.train)}


def clips(coefficients, speech):
    return [
        SpokenFace.of(name, styles.get(name.split("/")[0]), values, waveform, rate, encoder)
        for name, values, waveform, rate in corpus.read_clips(coefficients, speech)
    ]


with Checkpoint(params.checkpoint, job_deadline(snakemake.resources.runtime)) as checkpoint:
    model, history = train_dual_path(
        clips(files.train, files.train_speech),
        clips(files.validation, files.validation_speech),
        facial_vq.load(files.vq),
        settings,
        params.seed,
        run=Run(f"dual path {snakemake.wildcards.face}", Compute(device, params.precision), checkpoint, params.events),
    )
    dual_path.save(snakemake.output.weights, model, settings.network())
    write_jsonl(snakemake.output.history, history)
