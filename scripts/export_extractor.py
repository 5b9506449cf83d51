"""Write the feature extractor for the authors' programs."""

from said import extractor
from said.running.console import start

start(snakemake.log[0])
extractor.export_official(snakemake.output[0], extractor.load(snakemake.input[0]))
