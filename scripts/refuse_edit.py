"""Say what is wrong with an entry of `edits`, of which nothing can be made."""

import sys

from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
sys.exit("\n".join(snakemake.params.faults))
