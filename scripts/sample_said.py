"""Sample one variant of SAiD for every sentence of one test speaker."""

from said import corpus, io, model
from said.console import start
from said.loop import find_device
from said.sampling import Speech, sample_speech
from said.speech import frame_count, load_encoder, prepare_waveform

start(snakemake.log[0])
params = snakemake.params

rounding = params.settings["frame_count"]

speeches = []
for sentence in corpus.sentences(snakemake.input.speech):
    waveform, rate = corpus.read_speech(snakemake.input.speech, sentence)
    speeches.append(
        Speech(sentence, prepare_waveform(waveform, rate), frame_count(len(waveform), rate, rounding=rounding))
    )

samples = sample_speech(
    model.load(snakemake.input.weights),
    load_encoder(snakemake.input.encoder),
    speeches,
    params.settings,
    params.seed,
    device=find_device(params.device),
)
io.write_arrays(snakemake.output[0], dict(samples))
