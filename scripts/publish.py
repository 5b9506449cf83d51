"""Copy results of the configured run to names that are the same for every run."""

import shutil

from said.running.atomic import atomic
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
for source, target in zip(snakemake.input, snakemake.output, strict=True):
    with atomic(target) as temporary:
        shutil.copyfile(source, temporary)
