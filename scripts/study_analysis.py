"""Analyse what the participants of the user study answered."""

from said.files import provenance
from said.files.tables import write_table
from said.files.text import write_text
from said.running.console import start
from said.study.analysis import report, scores, tabulate
from said.study.answers import read_all
from said.study.key import read_key

start(snakemake.log[0], snakemake.input, snakemake.output)
params, output = snakemake.params, snakemake.output
key = read_key(snakemake.input.key)
answers = read_all(snakemake.input.answers, key)
table = tabulate(scores(answers, key))
write_table(output.table, table, float_format="%.6g")
provenance.write_metadata(output.metadata, output.table, params.provenance)
write_text(output.page, report(table, answers, key, params.provenance))
print(f"{len(answers)} participants: {output.page}")
