"""Judge the faults found in VOCASET, and write the page that shows them."""

from said.files.tables import write_table
from said.files.text import read_json, write_json, write_text
from said.running.console import start
from said.vocaset import audit

start(snakemake.log[0], snakemake.input, snakemake.output)
accept = snakemake.params.accept
inspections = [audit.Inspection.from_json(read_json(path)) for path in snakemake.input.inspections]
judged = audit.judge(inspections, accept)
write_text(snakemake.output.page, audit.render(inspections, judged, accept))
write_table(snakemake.output.findings, judged)
for inspection, path in zip(inspections, snakemake.output.sentences, strict=True):
    write_json(path, audit.usable(inspection, judged))
