"""Write down what this run was and what it cost."""

import pandas as pd

from said import io, record
from said.benchmarks import read_benchmarks
from said.console import start
from said.files import provenance

start(snakemake.log[0])
params, output = snakemake.params, snakemake.output
costs = record.cost(pd.DataFrame(read_benchmarks(params.benchmarks)), params.stages)
io.write_table(output.cost, costs, float_format="%.1f")
software = record.versions(params.requirements)
io.write_text(output.page, record.record_page(params.config, costs, software, params.provenance))
provenance.write_metadata(output.metadata, output.cost, params.provenance)
print(costs.to_string(index=False))
