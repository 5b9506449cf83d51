"""Compare the transferred blendshapes of every synthetic speaker with the true ones."""

from pathlib import Path

import pandas as pd

from said.files.arrays import read_arrays
from said.files.tables import write_table
from said.rig import read_rig
from said.running.console import start
from said.transfer_report import truth_error

start(snakemake.log[0])
reports = {}
for path, truth in zip(snakemake.input.blendshapes, snakemake.input.truth, strict=True):
    rig = read_rig(path)
    true_shapes = read_arrays(truth)["blendshapes"][:, rig.vertices]
    reports[Path(path).stem] = truth_error(rig.template, rig.blendshapes, true_shapes)

table = pd.concat(reports, names=["speaker"]).reset_index(level="speaker")
write_table(snakemake.output[0], table, float_format="%.6g")
mean = table.groupby("blendshape", sort=False).mean(numeric_only=True)
print(mean.sort_values("share", ascending=False).to_string(float_format="%.3f"))
print(
    f"mean over {len(reports)} speakers: {mean['rms_mm'].mean():.3f} mm rms, {mean['share'].mean():.1%} of the motion"
)
