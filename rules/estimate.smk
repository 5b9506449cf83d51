# What `snakemake -n` ends with: the expected cost of the jobs that it lists. No rule; nothing happens in a real run.
import atexit


def benchmark_name(job):
    """The name of a job's benchmark file under the run's folder of benchmarks, without suffix."""
    path = Path(str(job.benchmark)) if job.benchmark else Path(job.rule.name)
    folder = Path(f"results/{RUN}/benchmarks")
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).with_suffix("").as_posix()


def other_runs(gpu_here):
    """Recorded jobs of this folder's other runs, each with its configuration, where that can still be used."""
    found = {}
    for folder in sorted(Path("results").glob("*-*/benchmarks")):
        dataset, scale = folder.parent.name.split("-", 1)
        if folder.parent.name == RUN or dataset not in ("synthetic", "vocaset") or scale not in WRITTEN["scales"]:
            continue
        try:
            chosen = settings.resolve({**WRITTEN, "dataset": dataset, "scale": scale}, SCHEMA)
        except settings.ConfigError:
            continue
        found[folder.parent.name] = (chosen, benchmarks.read_records(folder, {}, gpu_here))
    return found


def expected_cost():
    """The table, as text; empty where nothing is to be done."""
    jobs = [job for level in workflow.dag.toposorted() for job in level if not job.is_norun]
    to_run = set(workflow.dag.needrun_jobs(exclude_finished=False))
    # Where jobs reserve GPUs, a job that does not reserve one does not get one; elsewhere it takes what there is.
    reserved = any(benchmarks.reserves_gpu(job.resources) for job in jobs)
    gpu_here = not reserved and benchmarks.gpu_is_here()
    planned = {}
    for job in jobs:
        params = dict(job.params.items())
        gpu = benchmarks.uses_gpu(params, job.resources, gpu_here)
        planned[job] = Job(job.rule.name, benchmark_name(job), dict(job.wildcards.items()), params, job.threads, gpu)
    by_name = {job.name: job for job in planned.values()}
    records = benchmarks.read_records(f"results/{RUN}/benchmarks", by_name, gpu_here)
    estimator = estimate.Estimator(config, records, other_runs(gpu_here))
    expected = {job: estimator(one) for job, one in planned.items() if job in to_run}
    if not expected:
        return ""
    seconds = {job: one.seconds or 0.0 for job, one in expected.items()}
    return estimate.table(list(expected.values()), estimate.longest_chain(seconds, workflow.dag.dependencies))


@atexit.register
def print_expected_cost():
    """After everything that Snakemake prints. A dry run that failed or is to be quiet ends as it is."""
    if not workflow.dryrun or workflow.output_settings.quiet or workflow.dag is None:
        return
    if not all(workflow.dag.finished(job) for job in workflow.dag.needrun_jobs(exclude_finished=False)):
        return
    # Whatever an estimate may stumble on, the dry run was right.
    try:
        text = expected_cost()
    except Exception as error:
        text = f"The cost could not be estimated: {type(error).__name__}: {error}"
    if text:
        print(f"\n{text}", flush=True)
