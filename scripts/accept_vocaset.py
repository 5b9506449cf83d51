"""Stop here if VOCASET has faults that are neither known nor accepted."""

from said import audit, io
from said.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
audit.require_accepted(io.read_table(snakemake.input.findings), snakemake.input.page)
io.write_text(snakemake.output[0], "the audit found nothing that is neither known nor accepted\n")
