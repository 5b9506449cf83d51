"""A held-out speaker's ground truth beside a sample of each of some methods, with the speech that all go with."""

from said import corpus, figures, io, video
from said.coefficients import reconstruct
from said.console import progress, start
from said.edits import find_sentence

start(snakemake.log[0])
params, speaker = snakemake.params, io.read_arrays(snakemake.input.blendshapes)
methods = [io.read_arrays(path) for path in snakemake.input.generated]
sentence = find_sentence(list(methods[0]), params.sentence, snakemake.input.generated[0])

sequences = [corpus.read_frames(snakemake.input.sequences, sentence)[:, speaker["vertices"]]]
sequences += [reconstruct(speaker["template"], speaker["blendshapes"], samples[sentence][0]) for samples in methods]
look = (speaker["faces"], speaker.get("colours"), params.size, params.columns)
images = progress(figures.side_by_side(sequences, params.captions, *look), "frames", min(map(len, sequences)))
speech = corpus.read_speech(snakemake.input.sequences, sentence)
video.write(snakemake.output[0], images, corpus.FRAME_RATE, *speech, params.provenance)
