"""Draw the loss curves of the extractor and of every variant."""

from said import figures, io
from said.console import start

start(snakemake.log[0])
histories = map(io.read_jsonl, snakemake.input.variants)
figure = figures.training(
    io.read_jsonl(snakemake.input.extractor), dict(zip(snakemake.params.variants, histories, strict=True))
)
for path in snakemake.output:
    io.write_figure(path, figure, snakemake.params.provenance)
