"""Sample one variant of SAiD for every sentence of the test speakers."""

from contextlib import ExitStack

from said import corpus, model
from said.compute import find_device
from said.files.finished import Finished
from said.running.console import start
from said.sampling import Sampler, SamplingSettings, Speech, sample_speech
from said.speech import load_encoder
from said.waveforms import frame_count, prepare_waveform

start(snakemake.log[0], snakemake.input, snakemake.output)
files, params = snakemake.input, snakemake.params
settings, device = SamplingSettings.of(params.settings), find_device(params.device)
said, encoder = model.load(files.weights), load_encoder(files.encoder)


def speech(folder, name):
    waveform, rate = corpus.read_speech(folder, name)
    frames = frame_count(len(waveform), rate, rounding=settings.frame_count)
    return Speech(name, prepare_waveform(waveform, rate), frames)


with ExitStack() as kept:  # until all speakers are done
    for folder, output, finished, seed in zip(
        files.speech, snakemake.output, params.finished, params.seeds, strict=True
    ):
        sampler = Sampler(said, encoder, settings, seed, device)
        done = kept.enter_context(Finished(finished, [params.code, sampler.identity()]))
        speeches = [speech(folder, name) for name in corpus.sentences(folder)]
        samples = sample_speech(sampler, speeches, threads=snakemake.threads, finished=done)
        corpus.write_samples(output, dict(samples))
