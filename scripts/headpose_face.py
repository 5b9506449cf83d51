"""The table of faces of the second source."""

from pathlib import Path

from said.files import provenance
from said.files.tables import write_table
from said.files.text import read_json, write_text
from said.headpose.face_table import face_page, tabulate_faces
from said.running.console import start
from said.tables import join

start(snakemake.log[0], snakemake.input, snakemake.output)
params, output = snakemake.params, snakemake.output
measurements = join((Path(path).stem, read_json(path)) for path in snakemake.input.measurements)
table = tabulate_faces(measurements, params.names)
write_table(output.csv, table, float_format="%.4f")
provenance.write_metadata(output.metadata, output.csv, params.provenance)
page = face_page(table, measurements)
write_text(output.markdown, page.markdown(params.provenance))
write_text(output.html, page.html(params.provenance))
print(table.to_string(index=False))
