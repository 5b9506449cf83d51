"""Train one variant of the generator of head poses."""

from said.compute import Compute, find_device
from said.files.text import write_jsonl
from said.headpose import generator, pose_vq
from said.headpose.spoken import read_spoken, training_speakers
from said.running.console import start
from said.running.interruption import job_deadline
from said.training.checkpoint import Checkpoint
from said.training.pose_generator import GeneratorSettings, train_pose_generator
from said.training.run import Run

start(snakemake.log[0], snakemake.input, snakemake.output)
files, params = snakemake.input, snakemake.params
settings, speakers = GeneratorSettings.of(params.settings), training_speakers(files.clips)
inputs = {"rhythm_input": settings.rhythm_input, "semantic_input": settings.semantic_input}
train, validation = (
    read_spoken(files.clips, files.features, role, speakers, **inputs) for role in ("train", "validation")
)
compute = Compute(find_device(params.device), params.precision)
with Checkpoint(params.checkpoint, job_deadline(snakemake.resources.runtime)) as checkpoint:
    model, history = train_pose_generator(
        train,
        validation,
        settings,
        params.seed,
        vq=pose_vq.load(files.vq),
        run=Run(snakemake.wildcards.pose_variant, compute, checkpoint, params.events),
    )
    generator.save(snakemake.output.weights, model, speakers)
    write_jsonl(snakemake.output.history, history)
