"""Compute what the pose networks hear of each clip."""

from said.compute import find_device
from said.headpose.clips import FRAMES, read_clip, read_index
from said.headpose.features import log_mel, states_of, write_features
from said.running.atomic import atomic_folder
from said.running.console import progress, start
from said.speech import load_encoder

start(snakemake.log[0], snakemake.input, snakemake.output)
encoder = load_encoder(snakemake.input.encoder).to(find_device(snakemake.params.device))

with atomic_folder(snakemake.output[0]) as folder:
    for name in progress(read_index(snakemake.input.clips)["clip"].tolist(), "clips"):
        waveform = read_clip(snakemake.input.clips, name).waveform
        semantic = {given: states_of(waveform, encoder, FRAMES, given) for given in snakemake.params.given}
        write_features(folder, name, semantic, log_mel(waveform))
