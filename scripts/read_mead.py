"""Fit coefficients to MEAD's FLAME parameters: motion in eight emotions for the codebook of the face."""

from said import corpus
from said.files.arrays import read_arrays, write_arrays
from said.files.finished import Finished
from said.headpose.flame_rig import fit_performance, rig_of
from said.headpose.mead import find_performances, read_performance
from said.running.console import naming, progress, start
from said.vocaset.flame import read_flame

start(snakemake.log[0], snakemake.input, snakemake.output)
files, params = snakemake.input, snakemake.params
flame = read_flame(files.flame)
topology, regions = corpus.read_topology(files.topology), read_arrays(files.regions)
rig = rig_of(flame, *corpus.read_source(files.source), topology, regions)

motions = {}
with Finished(params.finished, [params.code, params.path, params.solver]) as finished:
    for path in progress(find_performances(params.path), "sequences"):
        with naming(path.name):
            performance = read_performance(path)
            motion = finished.read(path.stem)
            if motion is None:
                motion = fit_performance(flame, rig, performance, params.solver)
                finished.write(path.stem, motion)
        motions[performance.name] = motion
    write_arrays(snakemake.output[0], motions)
