"""Train the VAE whose latent mean is the feature of the metrics."""

from said import corpus, extractor
from said.compute import Compute, find_device
from said.files.tables import read_coefficients
from said.files.text import write_jsonl
from said.running.console import start
from said.running.interruption import job_deadline
from said.training.checkpoint import Checkpoint
from said.training.extractor import ExtractorSettings, train_extractor
from said.training.run import Run

start(snakemake.log[0], snakemake.input, snakemake.output)
files, params = snakemake.input, snakemake.params


train = corpus.read_sequences(files.train)
with Checkpoint(params.checkpoint, job_deadline(snakemake.resources.runtime)) as checkpoint:
    vae, history = train_extractor(
        list(train.values()),
        list(corpus.read_sequences(files.validation).values()),
        read_coefficients(files.std)[0],
        ExtractorSettings.of(params.settings),
        params.seed,
        names=list(train),
        run=Run("extractor", Compute(find_device(params.device), params.precision), checkpoint, params.events),
    )
    extractor.save(snakemake.output.weights, vae)
    write_jsonl(snakemake.output.history, history)
