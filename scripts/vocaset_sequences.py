"""Bring one VOCASET speaker's sequences into the corpus contract."""

from pathlib import Path

from said import corpus, io, vocaset
from said.console import progress, start

start(snakemake.log[0])
root, speaker = Path(snakemake.params.path), snakemake.wildcards.speaker
folder = Path(snakemake.output.sequences)
topology = corpus.read_topology(snakemake.input.topology)

names, gaps = vocaset.sentences(root, speaker)
for name, gap in sorted(gaps.items()):
    print(f"{speaker}/{name} is left out: {gap}")
for name in progress(names, "sentences"):
    vocaset.convert_motion(root, speaker, name, topology.faces, folder / f"{name}.npy")
    io.write_audio(folder / f"{name}.wav", *io.read_audio(root / "audio" / speaker / f"{name}.wav"))
