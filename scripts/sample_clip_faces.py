"""Let SAiD speak the clips of the head-pose data that films show: faces for heads that move."""

from said import model
from said.compute import find_device
from said.files.arrays import write_arrays
from said.headpose.clips import SAMPLE_RATE, read_clip, read_index
from said.headpose.film import shown
from said.running.console import start
from said.sampling import Sampler, SamplingSettings, Speech, sample_speech
from said.speech import load_encoder
from said.waveforms import frame_count, prepare_waveform

start(snakemake.log[0], snakemake.input, snakemake.output)
params, folder = snakemake.params, snakemake.input.clips
settings = SamplingSettings.of(params.settings | {"samples": 1})
speeches = []
for name in shown(read_index(folder), params.clips):
    waveform = read_clip(folder, name).waveform
    speech = prepare_waveform(waveform, SAMPLE_RATE)
    speeches.append(Speech(name, speech, frame_count(len(waveform), SAMPLE_RATE, rounding=settings.frame_count)))
networks = model.load(snakemake.input.weights), load_encoder(snakemake.input.encoder)
sampler = Sampler(*networks, settings, params.seed, find_device(params.device))
write_arrays(snakemake.output[0], {name: samples[0] for name, samples in sample_speech(sampler, speeches)})
