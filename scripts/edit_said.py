"""Make one edit: keep part of a reference and sample the rest."""

from said import editing, model
from said.compute import find_device
from said.files import provenance
from said.files.arrays import write_arrays
from said.files.tables import write_coefficient_text
from said.running.console import naming, start
from said.sampling import Sampler, SamplingSettings
from said.speech import load_encoder

start(snakemake.log[0], snakemake.input, snakemake.output)
params = snakemake.params
settings = SamplingSettings.of(params.settings)

with naming(f"edits.{snakemake.wildcards.edit}"):
    clip = editing.read_clip(params.files, params.entry, settings.frame_count)
sampler = Sampler(
    model.load(snakemake.input.weights),
    load_encoder(snakemake.input.encoder),
    settings,
    params.seed,
    find_device(params.device),
)
values = editing.edit(sampler, clip, params.entry.get("repeat", 0), params.entry.get("strength", 1.0))
print(f"kept {clip.kept.sum()} of {clip.kept.size} coefficients, sampled the rest")
write_coefficient_text(snakemake.output.coefficients, editing.written(values, clip))
provenance.write_metadata(snakemake.output.metadata, snakemake.output.coefficients, params.provenance)
reference = {} if clip.reference is None else {"reference": clip.reference}
write_arrays(snakemake.output.arrays, {"values": values, "kept": clip.kept, **reference})
