"""Report what is wrong with an entry of `edits` that cannot be made."""

import sys

from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
sys.exit("\n".join(snakemake.params.faults))
