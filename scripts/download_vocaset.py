"""Fetch one of VOCASET's archives with the user's credentials, or verify the one that is here."""

from functools import partial

from said.running.console import start
from said.vocaset import archives, download
from said.vocaset.credentials import read_credentials
from said.vocaset.receipts import write_receipts

start(snakemake.log[0])
params = snakemake.params
receipt = download.fetch(
    params.url,
    params.path,
    sha256=params.archive.get("sha256"),
    size=int(params.archive["gigabytes"] * 1e9),
    credentials=partial(read_credentials, params.credentials),
    check=partial(archives.check, limit=params.limit),
)
write_receipts(snakemake.output[0], [receipt])
