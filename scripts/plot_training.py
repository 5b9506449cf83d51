"""Draw the loss curves of the extractor and of every variant."""

from said.figures.training import training
from said.files.images import write_figure
from said.files.text import read_jsonl
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
histories = map(read_jsonl, snakemake.input.variants)
figure = training(read_jsonl(snakemake.input.extractor), dict(zip(snakemake.params.variants, histories, strict=True)))
for path in snakemake.output:
    write_figure(path, figure, snakemake.params.provenance)
