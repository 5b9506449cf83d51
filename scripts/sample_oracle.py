"""Other takes of the test sentences by the generator itself: samples of the true distribution given the speech."""

from pathlib import Path

import numpy as np

from said import io
from said.console import start
from said.synthetic.actor import cast, move, phones_of

start(snakemake.log[0])
params = snakemake.params
actor = cast(params.index, params.speakers, params.seed)

samples = {}
for path in sorted(Path(snakemake.input[0], "phones").glob("*.csv")):
    phones = phones_of(io.read_table(path))
    duration = phones[-1].end
    takes = [move(actor, phones, duration, take) for take in range(1, params.samples + 1)]
    samples[path.stem] = np.stack(takes).astype("float32")
io.write_arrays(snakemake.output[0], samples)
