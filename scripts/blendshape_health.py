"""Report how sound the transfer is, per blendshape of the source face and of every speaker."""

from pathlib import Path

import numpy as np
import pandas as pd

from said import corpus, io
from said.cleanup import CHIN
from said.console import start
from said.transfer_report import health

start(snakemake.log[0])
source, expressions, marks = corpus.read_source(snakemake.input.source)
landmarks = corpus.read_topology(snakemake.input.topology).landmarks
face = io.read_arrays(snakemake.input.regions)["face"]

reports = {"source": health(source.vertices, expressions, source.faces, marks[CHIN]).assign(mapped_share=np.nan)}
for path, pairs in zip(snakemake.input.blendshapes, snakemake.input.correspondences, strict=True):
    speaker = io.read_arrays(path)
    chin = np.flatnonzero(speaker["vertices"] == landmarks[CHIN])[0]
    transferred = np.isin(speaker["vertices"], face)[speaker["faces"]].all(axis=1).sum()
    mapped = len(np.unique(io.read_arrays(pairs)["pairs"][:, 1])) / transferred
    report = health(speaker["template"], speaker["blendshapes"], speaker["faces"], chin)
    reports[Path(path).stem] = report.assign(mapped_share=mapped)

table = pd.concat(reports, names=["speaker"]).reset_index(level="speaker")
io.write_table(snakemake.output[0], table, float_format="%.6g")
summary = table.groupby("speaker", sort=False).agg(
    {"flipped_share": "mean", "largest_mm": "max", "mapped_share": "min"}
)
summary["jawOpen chin_mm"] = table[table["blendshape"] == "jawOpen"].set_index("speaker")["chin_mm"]
print(summary.to_string(float_format="%.4g"))
