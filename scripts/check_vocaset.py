"""Read every archive of a local copy of VOCASET once, and write its receipt."""

from said.running.console import start
from said.vocaset import archives, receipts
from said.vocaset.release import packed, require

start(snakemake.log[0], snakemake.input, snakemake.output)
paths = packed(require(snakemake.params.path))
for path in paths:
    archives.check(path, snakemake.params.limit)
receipts.write_receipts(snakemake.output[0], map(receipts.describe, paths))
