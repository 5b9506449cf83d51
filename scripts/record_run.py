"""Record what this run was and what it cost."""

import pandas as pd

from said.files import provenance
from said.files.tables import write_table
from said.files.text import write_text
from said.running.console import start
from said.workflow import record
from said.workflow.benchmarks import read_benchmarks

start(snakemake.log[0], snakemake.input, snakemake.output)
params, output = snakemake.params, snakemake.output
costs = record.cost(pd.DataFrame(read_benchmarks(params.benchmarks)), params.stages)
write_table(output.cost, costs, float_format="%.1f")
software = record.versions(params.requirements)
write_text(output.page, record.record_page(params.config, costs, software, params.provenance))
provenance.write_metadata(output.metadata, output.cost, params.provenance)
print(costs.to_string(index=False))
