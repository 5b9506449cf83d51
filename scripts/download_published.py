"""Fetch one published file, or verify the one that is here."""

from functools import partial

from said.running.console import start
from said.vocaset import archives, download
from said.vocaset.credentials import read_credentials
from said.vocaset.receipts import write_receipts

start(snakemake.log[0], snakemake.input, snakemake.output)
source = snakemake.params.source
check = partial(archives.check, limit=snakemake.params.limit) if source["path"].endswith(".zip") else None
credentials = partial(read_credentials, source["credentials"]) if source["login"] else None
receipt = download.fetch(source["url"], source["path"], sha256=source["sha256"], credentials=credentials, check=check)
write_receipts(snakemake.output[0], [receipt])
