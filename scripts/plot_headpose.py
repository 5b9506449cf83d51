"""Draw heads in time: their angles over the speech of one clip, and their nod around a stressed vowel."""

from pathlib import Path

from said.figures.headpose import draw_beats, draw_tracks, richest
from said.files.arrays import read_arrays
from said.files.images import write_figure
from said.headpose.clips import names, read_clip, read_index
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
folder, params = snakemake.input.clips, snakemake.params
clips = {name: read_clip(folder, name) for name in names(read_index(folder), "test")}
methods = {Path(path).stem: read_arrays(path) for path in snakemake.input.poses}
shown = richest(clips)
for path in snakemake.output:
    if Path(path).stem == "headpose_tracks":
        figure = draw_tracks(clips[shown], {method: methods[method][shown] for method in params.tracks})
    else:
        figure = draw_beats(clips, methods)
    write_figure(path, figure, params.provenance)
