"""Sample one variant of SAiD for every sentence of one test speaker."""

from said import corpus, model
from said.compute import find_device
from said.files.finished import Finished
from said.running.console import start
from said.sampling import Sampler, SamplingSettings, Speech, sample_speech
from said.speech import load_encoder
from said.waveforms import frame_count, prepare_waveform

start(snakemake.log[0], snakemake.input, snakemake.output)
params = snakemake.params
settings = SamplingSettings.of(params.settings)

speeches = []
for sentence in corpus.sentences(snakemake.input.speech):
    waveform, rate = corpus.read_speech(snakemake.input.speech, sentence)
    speeches.append(
        Speech(
            sentence, prepare_waveform(waveform, rate), frame_count(len(waveform), rate, rounding=settings.frame_count)
        )
    )

sampler = Sampler(
    model.load(snakemake.input.weights),
    load_encoder(snakemake.input.encoder),
    settings,
    params.seed,
    find_device(params.device),
)
with Finished(params.finished, [params.code, sampler.identity()]) as finished:
    samples = sample_speech(sampler, speeches, threads=snakemake.threads, finished=finished)
    corpus.write_samples(snakemake.output[0], dict(samples))
