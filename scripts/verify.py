"""Check that every result is still what was written, and name those that are not there any more."""

import sys

from said.running.console import start
from said.running.integrity import changed_below, missing_below

start(snakemake.log[0])
folder = snakemake.params.folder
for path in missing_below(folder):
    print(f"{path}: is not there any more; with its name as a target, a run makes it anew", file=sys.stderr)
if changed := [*changed_below(folder)]:
    print(*changed, sep="\n", file=sys.stderr)
    sys.exit(f"{len(changed)} results are not what was written")
print("every result that is there is what was written")
