"""Show a held-out speaker's ground truth beside a sample of each of several methods, with the speech."""

from said import corpus
from said.corpus import find_sentence
from said.figures.video import side_by_side
from said.files import video
from said.rig import read_rig
from said.running.console import progress, start

start(snakemake.log[0], snakemake.input, snakemake.output)
params, rig = snakemake.params, read_rig(snakemake.input.blendshapes)
methods = [corpus.read_samples(path) for path in snakemake.input.generated]
sentence = find_sentence(list(methods[0]), params.sentence, snakemake.input.generated[0])

sequences = [corpus.read_frames(snakemake.input.sequences, sentence)[:, rig.vertices]]
sequences += [rig.move(samples[sentence][0]) for samples in methods]
look = (rig.faces, rig.colours, params.size, params.columns)
images = progress(side_by_side(sequences, params.captions, *look), "frames", min(map(len, sequences)))
speech = corpus.read_speech(snakemake.input.sequences, sentence)
video.write(snakemake.output[0], images, corpus.FRAME_RATE, *speech, params.provenance)
