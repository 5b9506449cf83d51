"""The face of an edit, beside that of its reference where it has one, with the speech."""

from said import corpus, editing, figures, io, video
from said.coefficients import reconstruct
from said.console import progress, start
from said.speech import SAMPLE_RATE

start(snakemake.log[0])
params, speaker = snakemake.params, io.read_arrays(snakemake.input.blendshapes)
arrays = io.read_arrays(snakemake.input.arrays)
shown = {"reference": arrays.get("reference"), "edit" if arrays["kept"].any() else "SAiD": arrays["values"]}
faces = {
    caption: reconstruct(speaker["template"], speaker["blendshapes"], values)
    for caption, values in shown.items()
    if values is not None
}
speech = editing.read_clip(params.files, params.entry).speech
images = figures.side_by_side([*faces.values()], [*faces], speaker["faces"], speaker.get("colours"), params.size)
video.write(
    snakemake.output[0],
    progress(images, "frames", len(arrays["values"])),
    corpus.FRAME_RATE,
    speech.waveform,
    SAMPLE_RATE,
    params.provenance,
)
