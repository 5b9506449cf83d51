"""Report how sound the transfer is, per blendshape of the source face and of every speaker."""

from pathlib import Path

import numpy as np
import pandas as pd

from said import corpus
from said.cleanup import CHIN
from said.files.arrays import read_arrays
from said.files.tables import write_table
from said.running.console import start
from said.transfer_report import health

start(snakemake.log[0])
source, expressions, marks = corpus.read_source(snakemake.input.source)
landmarks = corpus.read_topology(snakemake.input.topology).landmarks

reports = {"source": health(source.vertices, expressions, source.faces, marks[CHIN])}
for path in snakemake.input.blendshapes:
    speaker = read_arrays(path)
    chin = np.flatnonzero(speaker["vertices"] == landmarks[CHIN])[0]
    reports[Path(path).stem] = health(speaker["template"], speaker["blendshapes"], speaker["faces"], chin)

table = pd.concat(reports, names=["speaker"]).reset_index(level="speaker")
write_table(snakemake.output[0], table, float_format="%.6g")
summary = table.groupby("speaker", sort=False).agg({"flipped_share": "mean", "largest_mm": "max"})
summary["jawOpen chin_mm"] = table[table["blendshape"] == "jawOpen"].set_index("speaker")["chin_mm"]
print(summary.to_string(float_format="%.4g"))
