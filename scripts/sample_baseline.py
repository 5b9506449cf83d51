"""Ask one of the other methods of Table 1 for all sentences of a test speaker, and fit coefficients to its meshes."""

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
baseline = Baseline(method, model, params.settings, params.styles, params.resampling, params.seed)

names = corpus.sentences(files.speech)
speeches = (Utterance(name, *corpus.read_speech(files.speech, name)) for name in progress(names, "sentences"))
identity = [params.code, params.method, digest(model.state_dict()), params.settings, params.styles, params.resampling]
with Finished(params.finished, [*identity, params.seed, params.solver]) as finished:
    face = read_mesh(files.template).vertices, read_rig(files.blendshapes)
    samples = dict(sample_baseline(baseline, speeches, *face, Solver(**params.solver), finished))
    corpus.write_samples(snakemake.output[0], samples)
