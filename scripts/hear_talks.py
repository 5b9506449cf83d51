"""Compute what the pose networks hear of each clip."""

from said.compute import find_device
from said.headpose.clips import FRAMES, read_clip, read_index
from said.headpose.features import features_of, write_features
from said.running.atomic import atomic_folder
from said.running.console import progress, start
from said.speech import load_encoder

start(snakemake.log[0], snakemake.input, snakemake.output)
encoder = load_encoder(snakemake.input.encoder).to(find_device(snakemake.params.device))

with atomic_folder(snakemake.output[0]) as folder:
    for name in progress(read_index(snakemake.input.clips)["clip"].tolist(), "clips"):
        waveform = read_clip(snakemake.input.clips, name).waveform
        write_features(folder, name, *features_of(waveform, encoder, FRAMES))
