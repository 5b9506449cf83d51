"""Measure one method against the real sequences of the test speakers."""

from said import corpus, extractor
from said.compute import find_device
from said.evaluation import EvaluationSettings, evaluate_method
from said.files.text import write_json
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
params = snakemake.params

measured = evaluate_method(
    extractor.load(snakemake.input.extractor).to(find_device(params.device)),
    {name: samples[0] for name, samples in corpus.read_method(snakemake.input.real).items()},
    corpus.read_method(snakemake.input.generated),
    EvaluationSettings.of(params.settings),
    params.seed,
    snakemake.threads,
)
write_json(snakemake.output[0], measured)
print(measured)
