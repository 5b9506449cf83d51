"""Get the speech encoder: wav2vec 2.0 from the hub, or a tiny stand-in trained on synthetic speech."""

from said import speech
from said.compute import find_device
from said.running.console import start
from said.synthetic.transcribed import transcribed_speech
from said.training.stand_in import StandInSettings, train_stand_in
from said.waveforms import prepare_waveform

start(snakemake.log[0], snakemake.input, snakemake.output)
settings, seed = snakemake.params.settings, snakemake.params.seed

if settings["source"] == "pretrained":
    encoder = speech.fetch_pretrained(settings["name"], settings["revision"], seed)
else:
    stand_in = StandInSettings.of(settings["stand_in"])
    utterances = [
        (prepare_waveform(waveform, rate), labels)
        for waveform, rate, labels in transcribed_speech(stand_in.utterances, seed, snakemake.params.pauses)
    ]
    device = find_device(snakemake.params.device)
    encoder, _ = train_stand_in(utterances, stand_in, seed, device=device)
speech.save_encoder(encoder, snakemake.output.encoder)
