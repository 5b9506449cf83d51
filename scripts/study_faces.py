"""Film one method of this run for part 1 of the user study: a film for each audio."""

from said import corpus
from said.corpus import find_sentence
from said.files import video
from said.rig import read_rigs
from said.running.atomic import atomic_folder
from said.running.console import progress, start
from said.study.footage import FPS, face_film, in_turn

start(snakemake.log[0], snakemake.input, snakemake.output)
params = snakemake.params
rigs = read_rigs(snakemake.input.blendshapes)
samples = dict(zip(rigs, map(corpus.read_samples, snakemake.input.generated), strict=True))
sequences = dict(zip(rigs, snakemake.input.sequences, strict=True))
with atomic_folder(snakemake.output[0]) as folder:
    for number in progress(params.sentences, "films"):
        speaker, place = in_turn(number, list(rigs))
        sentence = find_sentence(list(samples[speaker]), place, snakemake.input.generated[0])
        images = face_film(rigs[speaker], samples[speaker][sentence][0], params.size)
        video.write(folder / f"{number}.mp4", images, FPS, *corpus.read_speech(sequences[speaker], sentence))
