"""A held-out speaker's ground truth beside a sample, with the speech that both go with."""

from said import corpus, figures, io, video
from said.coefficients import reconstruct
from said.console import progress, start

start(snakemake.log[0])
params, speaker = snakemake.params, io.read_arrays(snakemake.input.blendshapes)
generated = io.read_arrays(snakemake.input.generated)
sentence = list(generated)[params.sentence % len(generated)]

truth = corpus.read_frames(snakemake.input.sequences, sentence)[:, speaker["vertices"]]
sample = reconstruct(speaker["template"], speaker["blendshapes"], generated[sentence][0])
images = figures.side_by_side([truth, sample], params.captions, speaker["faces"], speaker.get("colours"), params.size)
speech = corpus.read_speech(snakemake.input.sequences, sentence)
video.write(snakemake.output[0], progress(images, "frames", min(len(truth), len(sample))), corpus.FRAME_RATE, *speech)
