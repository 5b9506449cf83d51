"""Show the face of an edit, beside that of its reference if it has one, with the speech."""

from said import corpus, editing
from said.figures.video import side_by_side
from said.files import video
from said.files.arrays import read_arrays
from said.rig import read_rig
from said.running.console import progress, start
from said.waveforms import SAMPLE_RATE

start(snakemake.log[0], snakemake.input, snakemake.output)
params, rig = snakemake.params, read_rig(snakemake.input.blendshapes)
arrays = read_arrays(snakemake.input.arrays)
shown = {"reference": arrays.get("reference"), "edit" if arrays["kept"].any() else "SAiD": arrays["values"]}
faces = {caption: rig.move(values) for caption, values in shown.items() if values is not None}
speech = editing.read_clip(params.files, params.entry).speech
images = side_by_side([*faces.values()], [*faces], rig.faces, rig.colours, params.size)
video.write(
    snakemake.output[0],
    progress(images, "frames", len(arrays["values"])),
    corpus.FRAME_RATE,
    speech.waveform,
    SAMPLE_RATE,
    params.provenance,
)
