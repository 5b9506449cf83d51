"""Stop here if VOCASET has faults that are neither known nor accepted."""

from said.files.tables import read_table
from said.files.text import write_text
from said.running.console import start
from said.vocaset import audit

start(snakemake.log[0])
audit.require_accepted(read_table(snakemake.input.findings), snakemake.input.page)
write_text(snakemake.output[0], "the audit found nothing that is neither known nor accepted\n")
