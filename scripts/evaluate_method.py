"""Measure one method against the real sequences of the test speakers."""

from pathlib import Path

from said import extractor
from said.compute import find_device
from said.evaluation import evaluate_method
from said.files.arrays import read_arrays
from said.files.text import write_json
from said.running.console import start

start(snakemake.log[0])
params = snakemake.params


def clips(paths):
    """Samples (S, N, 32) by "<speaker>/<sentence>"."""
    return {f"{Path(p).stem}/{name}": samples for p in paths for name, samples in read_arrays(p).items()}


measured = evaluate_method(
    extractor.load(snakemake.input.extractor).to(find_device(params.device)),
    {name: samples[0] for name, samples in clips(snakemake.input.real).items()},
    clips(snakemake.input.generated),
    params.settings,
    params.seed,
    snakemake.threads,
)
write_json(snakemake.output[0], measured)
print(measured)
