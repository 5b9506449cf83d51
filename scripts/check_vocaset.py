"""Read every archive of a local copy of VOCASET once, and note what it is."""

from said.running.console import start
from said.vocaset import archives, receipts
from said.vocaset.release import packed, require

start(snakemake.log[0])
found = packed(require(snakemake.params.path))
for path in found:
    archives.check(path, snakemake.params.limit)
receipts.write_receipts(snakemake.output[0], map(receipts.describe, found))
