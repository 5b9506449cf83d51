"""Fetch one published file, or verify the one that is here."""

from functools import partial

from said.running.console import start
from said.vocaset import archives, download
from said.vocaset.receipts import write_receipts

start(snakemake.log[0])
source = snakemake.params.source
check = partial(archives.check, limit=snakemake.params.limit) if source["path"].endswith(".zip") else None
receipt = download.fetch(source["url"], source["path"], sha256=source["sha256"], check=check)
write_receipts(snakemake.output[0], [receipt])
