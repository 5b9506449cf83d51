"""Train the VQ-VAE of head poses."""

from said.compute import Compute, find_device
from said.files.text import write_jsonl
from said.headpose import pose_vq
from said.headpose.spoken import read_directions
from said.running.console import start
from said.running.interruption import job_deadline
from said.training.checkpoint import Checkpoint
from said.training.pose_vq import train_pose_vq
from said.training.run import Run

start(snakemake.log[0], snakemake.input, snakemake.output)
folder, params = snakemake.input.clips, snakemake.params
clips, train = read_directions(folder, "train")
with Checkpoint(params.checkpoint, job_deadline(snakemake.resources.runtime)) as checkpoint:
    model, history = train_pose_vq(
        train,
        read_directions(folder, "validation")[1],
        params.settings,
        params.seed,
        clips=clips,
        run=Run("pose VQ-VAE", Compute(find_device(params.device), params.precision), checkpoint, params.events),
    )
    pose_vq.save(snakemake.output.weights, model)
    write_jsonl(snakemake.output.history, history)
