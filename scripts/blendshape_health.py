"""Report how sound the transfer is, per blendshape of the source face and of every speaker."""

import pandas as pd

from said import corpus
from said.cleanup import CHIN
from said.files.tables import write_table
from said.rig import read_rigs
from said.running.console import start
from said.transfer_report import health

start(snakemake.log[0])
source, expressions, marks = corpus.read_source(snakemake.input.source)
rigs = read_rigs(snakemake.input.blendshapes, corpus.read_topology(snakemake.input.topology))

reports = {"source": health(source.vertices, expressions, source.faces, marks[CHIN])}
for speaker, rig in rigs.items():
    reports[speaker] = health(rig.template, rig.blendshapes, rig.faces, rig.landmarks[CHIN])

table = pd.concat(reports, names=["speaker"]).reset_index(level="speaker")
write_table(snakemake.output[0], table, float_format="%.6g")
summary = table.groupby("speaker", sort=False).agg({"flipped_share": "mean", "largest_mm": "max"})
summary["jawOpen chin_mm"] = table[table["blendshape"] == "jawOpen"].set_index("speaker")["chin_mm"]
print(summary.to_string(float_format="%.4g"))
