"""Say what was animated, and fail where something was not; all that could be made is there by now."""

import sys
from pathlib import Path

from said.animation.failures import sort_out, summary
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
animations, faults = sort_out(snakemake.input.animations)
faults += snakemake.params.misplaced
folder = Path(snakemake.input.player).parent
said = summary(len(animations), len(snakemake.input.animations), folder, faults)
sys.exit(said) if faults else print(said)
