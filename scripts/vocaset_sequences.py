"""Convert one VOCASET speaker's sequences to the corpus's format."""

from said import corpus
from said.files.text import read_json
from said.running.atomic import atomic_folder
from said.running.console import progress, start
from said.vocaset.receipts import require_unchanged
from said.vocaset.release import convert, open_release

start(snakemake.log[0], snakemake.input, snakemake.output)
params, speaker = snakemake.params, snakemake.wildcards.speaker
require_unchanged(snakemake.input.receipts)
faces = corpus.read_topology(snakemake.input.topology).faces
release = open_release(params.path, faces, params.limit)
sentences = set(read_json(snakemake.input.sentences))

print(f"{speaker}: {len(sentences)} of {params.sentences} sentences; the audit lists which are left out, and why")
with atomic_folder(snakemake.output.sequences) as folder:
    for name in progress([name for name in release.frame_numbers(speaker) if name in sentences], "sentences"):
        convert(release, speaker, name, folder)
