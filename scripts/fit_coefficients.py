"""Fit the coefficients of every sentence of one speaker, and say how well they explain it."""

from pathlib import Path

import numpy as np
import pandas as pd

from said import corpus, io
from said.arkit import SPEECH_BLENDSHAPES
from said.coefficients import fit_coefficients, vertex_rms
from said.console import progress, start

start(snakemake.log[0])
params, folder = snakemake.params, Path(snakemake.output.coefficients)
speaker = io.read_arrays(snakemake.input.blendshapes)
shapes = (speaker["template"], speaker["blendshapes"])

quality = []
for sentence in progress(corpus.sentences(snakemake.input.sequences), "sentences"):
    frames = corpus.read_frames(snakemake.input.sequences, sentence)[:, speaker["vertices"]]
    coefficients = fit_coefficients(
        *shapes, frames, max_step=params.max_step, solver=params.solver, names=SPEECH_BLENDSHAPES
    )
    io.write_coefficients(folder / f"{sentence}.csv", coefficients)
    per_frame, _ = vertex_rms(*shapes, coefficients, frames)
    row = {"sentence": sentence, "frames": len(frames), "rms_mm": 1e3 * np.sqrt((per_frame**2).mean())}
    quality.append(row | {"worst_frame_mm": 1e3 * per_frame.max()})
io.write_table(snakemake.output.quality, pd.DataFrame(quality), float_format="%.6f")
