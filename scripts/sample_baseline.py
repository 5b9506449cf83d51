"""Ask another method of Table 1 for all sentences of the test speakers, and fit coefficients to its meshes."""

from contextlib import ExitStack

from said import corpus
from said.baselines.clips import Shared, Utterance
from said.baselines.registry import find_method
from said.baselines.sampling import Baseline, Solver, sample_baseline
from said.compute import find_device
from said.files.fingerprint import digest
from said.files.finished import Finished
from said.files.meshes import read_mesh
from said.files.tables import read_coefficients
from said.rig import read_rig
from said.running.console import progress, start
from said.speech import load_encoder

start(snakemake.log[0], snakemake.input, snakemake.output)
files, params = snakemake.input, snakemake.params
method = find_method(snakemake.wildcards.baseline)
shared = Shared(load_encoder(files.encoder), corpus.read_topology(files.topology), read_coefficients(files.std)[0])
model = method.load(files.weights, shared, params.settings).to(find_device(params.device))
identity = [params.code, params.method, digest(model.state_dict()), params.settings, params.styles, params.resampling]

with ExitStack() as kept:  # until all speakers are done
    for template, blendshapes, folder, output, finished, seed in zip(
        files.templates, files.blendshapes, files.speech, snakemake.output, params.finished, params.seeds, strict=True
    ):
        baseline = Baseline(method, model, params.settings, params.styles, params.resampling, seed)
        done = kept.enter_context(Finished(finished, [*identity, seed, params.solver]))
        names = progress(corpus.sentences(folder), "sentences")
        speeches = (Utterance(name, *corpus.read_speech(folder, name)) for name in names)
        face = read_mesh(template).vertices, read_rig(blendshapes)
        samples = sample_baseline(baseline, speeches, *face, Solver(**params.solver), done)
        corpus.write_samples(output, dict(samples))
