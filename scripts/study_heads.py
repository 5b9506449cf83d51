"""Film one method's poses of the head for part 2 of the user study: a film for each audio."""

from said.corpus import read_topology
from said.files import video
from said.files.arrays import read_arrays
from said.headpose.clips import SAMPLE_RATE, read_clip, read_index
from said.headpose.film import FPS, animate, shown
from said.headpose.poses import find_poses
from said.rig import read_rig
from said.running.atomic import atomic_folder
from said.running.console import progress, start
from said.study.footage import film

start(snakemake.log[0], snakemake.input, snakemake.output)
params, inputs = snakemake.params, snakemake.input
rig = read_rig(inputs.blendshapes, read_topology(inputs.topology))
faces = read_arrays(inputs.faces)
clips = dict(zip(params.clips, shown(read_index(inputs.clips), params.clips), strict=True))
with atomic_folder(snakemake.output[0]) as folder:
    for number, clip in progress(clips.items(), "films", len(clips)):
        frames = animate(rig, faces[clip], find_poses(inputs.poses, clip)[0])
        images = film(rig, frames, params.size, turns=True)
        video.write(folder / f"{number}.mp4", images, FPS, read_clip(inputs.clips, clip).waveform, SAMPLE_RATE)
