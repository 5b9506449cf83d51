"""Train the autoencoder in whose latents the Frechet distance of head poses is taken."""

from said.compute import Compute, find_device
from said.files.text import write_jsonl
from said.headpose import fid
from said.headpose.clips import names, read_clip, read_index
from said.running.console import start
from said.running.interruption import job_deadline
from said.training.checkpoint import Checkpoint
from said.training.pose_fid import train_pose_fid
from said.training.run import Run

start(snakemake.log[0], snakemake.input, snakemake.output)
folder, params = snakemake.input.clips, snakemake.params
index = read_index(folder)
poses = {role: {name: read_clip(folder, name).pose for name in names(index, role)} for role in ("train", "validation")}
with Checkpoint(params.checkpoint, job_deadline(snakemake.resources.runtime)) as checkpoint:
    model, history = train_pose_fid(
        poses["train"],
        poses["validation"],
        params.settings,
        params.seed,
        run=Run("pose FID", Compute(find_device(params.device), params.precision), checkpoint, params.events),
    )
    fid.save(snakemake.output.weights, model)
    write_jsonl(snakemake.output.history, history)
