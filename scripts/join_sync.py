"""Put together the lip-sync of a method whose clips were measured by several jobs."""

from said.files.text import read_json, write_json
from said.lipsync.measure import summarise
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
write_json(snakemake.output[0], summarise([read_json(path) for path in snakemake.input]))
