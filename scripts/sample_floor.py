"""Give every sentence of one test speaker the same motion, the training mean or none: the floor of the tables."""

import numpy as np

from said import corpus
from said.baselines.floor import mean_motion
from said.running.console import start
from said.waveforms import frame_count

start(snakemake.log[0], snakemake.input, snakemake.output)
inputs = snakemake.input
train = list(corpus.read_sequences(inputs.train).values())
samples = {}
for sentence in corpus.sentences(inputs.speech):
    waveform, rate = corpus.read_speech(inputs.speech, sentence)
    motion = mean_motion(train, frame_count(len(waveform), rate))
    samples[sentence] = (motion if snakemake.wildcards.floor == "mean_motion" else np.zeros_like(motion))[None]
corpus.write_samples(snakemake.output[0], samples)
