"""Judge what was found in VOCASET, and show it as a page."""

from said import audit, io
from said.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
accept = snakemake.params.accept
inspections = [audit.Inspection.from_json(io.read_json(path)) for path in snakemake.input.inspections]
judged = audit.judge(inspections, accept)
io.write_text(snakemake.output.page, audit.render(inspections, judged, accept))
io.write_table(snakemake.output.findings, judged)
for inspection, path in zip(inspections, snakemake.output.sentences, strict=True):
    io.write_json(path, audit.usable(inspection, judged))
