"""Check that every result is still what was written."""

import sys

from said.running.console import start
from said.running.integrity import changed_below

start(snakemake.log[0])
if changed := [*changed_below(snakemake.params.folder)]:
    print(*changed, sep="\n", file=sys.stderr)
    sys.exit(f"{len(changed)} results are not what was written")
print("every result is what was written")
