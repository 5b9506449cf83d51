"""Train the VAE whose latent mean is the feature of the metrics."""

from said import corpus, extractor, io
from said.console import start
from said.loop import find_device

start(snakemake.log[0])
files, params = snakemake.input, snakemake.params


def sequences(folders):
    return [sequence for folder in folders for sequence in corpus.read_coefficients(folder).values()]


vae, history = extractor.train_extractor(
    sequences(files.train),
    sequences(files.validation),
    io.read_coefficients(files.std)[0],
    params.settings,
    params.seed,
    device=find_device(params.device),
    checkpoint=params.checkpoint,
)
extractor.save(snakemake.output.weights, vae)
io.write_jsonl(snakemake.output.history, history)
