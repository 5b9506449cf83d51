"""Show poses of the head side by side, of several methods or of one method's samples, on a face that speaks."""

from pathlib import Path

from said.corpus import read_topology
from said.figures.video import side_by_side
from said.files import video
from said.files.arrays import read_arrays
from said.headpose.clips import SAMPLE_RATE, read_clip, read_index
from said.headpose.film import FPS, animate, shown
from said.headpose.poses import find_poses
from said.rig import read_rig
from said.running.console import progress, start

start(snakemake.log[0], snakemake.input, snakemake.output)
params, inputs = snakemake.params, snakemake.input
rig = read_rig(inputs.blendshapes, read_topology(inputs.topology))
(clip,) = shown(read_index(inputs.clips), [params.clip])
face = read_arrays(inputs.faces)[clip]
poses = {Path(path).stem: find_poses(path, clip) for path in inputs.poses}
if params.samples:
    ((method, samples),) = poses.items()
    heads = {f"{method}, sample {number + 1}": one for number, one in enumerate(samples[: params.samples])}
else:
    heads = {method: samples[0] for method, samples in poses.items()}
sequences = [animate(rig, face, pose) for pose in heads.values()]
look = (rig.faces, rig.colours, params.size, params.columns)
images = progress(
    side_by_side(sequences, [params.titles.get(name, name) for name in heads], *look), "frames", len(sequences[0])
)
video.write(snakemake.output[0], images, FPS, read_clip(inputs.clips, clip).waveform, SAMPLE_RATE, params.provenance)
