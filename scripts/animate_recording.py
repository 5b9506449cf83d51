"""Animate one recording; where that cannot be, report why, and leave the others in peace."""

from pathlib import Path

from said.animation.animate import AnimateSettings, Animator
from said.animation.faces import load_face
from said.animation.failures import write_failure
from said.animation.head_motion import load_head_motion
from said.animation.inputs import ModelFiles, Recording, find_head, run_head
from said.animation.models import load_model
from said.animation.recordings import RecordingError
from said.compute import find_device
from said.running.console import start

start(snakemake.log[0], snakemake.input, snakemake.output)
params, given = snakemake.params, snakemake.input
face = load_face(given.face or None, given.landmarks or None, params.unit)
encoder = Path(given.encoder) if "encoder" in given.keys() else None
files = ModelFiles(params.model, Path(given.get("weights", params.published)), encoder)
device = find_device(params.device)
heads = find_head(params.head, run_head(params.run))
animator = Animator(
    *load_model(files),
    AnimateSettings.of(params.settings),
    face,
    device=device,
    threads=snakemake.threads,
    model_name=files.name,
    head=load_head_motion(heads, device, params.head_style) if heads else None,
)
recording = Recording(Path(given.recording), snakemake.wildcards.recording)
try:
    animator.animate(recording, snakemake.output[0], params.unfinished, keep=params.keep)
except RecordingError as error:
    print(error)
    write_failure(snakemake.output[0], recording, error)
