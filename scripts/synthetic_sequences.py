"""Record the sentences of one synthetic speaker: speech and motion, and separately the truth behind both."""

from said.files.arrays import read_arrays, write_frames
from said.files.audio import write_audio
from said.files.tables import write_coefficients, write_table
from said.files.text import write_text
from said.running.atomic import atomic_folder
from said.running.console import progress, start
from said.synthetic.actor import cast, face_of, phone_table, record
from said.synthetic.sentences import sentences

start(snakemake.log[0], snakemake.input, snakemake.output)
params = snakemake.params
face = face_of(read_arrays(snakemake.input.face))
actor = cast(params.index, params.speakers, params.seed)
texts = sentences(params.first + params.sentences, params.seed)[params.first :]

with atomic_folder(snakemake.output.sequences) as sequences, atomic_folder(snakemake.output.truth) as truth:
    for number, text in progress(list(enumerate(texts, start=1)), "sentences"):
        name = f"sentence{number:02d}"
        take = record(actor, face, text, voice=params.voice, noise=params.noise, pauses=params.pauses)
        write_audio(sequences / f"{name}.wav", take.utterance.waveform, take.utterance.sample_rate)
        write_frames(sequences / f"{name}.npy", take.frames)
        write_coefficients(truth / f"{name}.csv", take.coefficients)
        write_table(truth / "phones" / f"{name}.csv", phone_table(take.utterance.phones))
        write_text(truth / "text" / f"{name}.txt", text + "\n")
