# The last words of `snakemake -n`: the expected cost of the jobs it lists. It has no rule and no part in real runs.
import atexit


def benchmark_name(job):
    """Name of a job's benchmark file within the run's benchmarks, without suffix."""
    path = Path(str(job.benchmark)) if job.benchmark else Path(job.rule.name)
    folder = Path(f"results/{RUN}/benchmarks")
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).with_suffix("").as_posix()


def other_runs(gpu_here):
    """Configuration and recorded jobs of this folder's other runs whose configuration is still valid."""
    runs = {}
    for folder in sorted(Path("results").glob("*-*/benchmarks")):
        dataset, scale = folder.parent.name.split("-", 1)
        if folder.parent.name == RUN or dataset not in ("synthetic", "vocaset") or scale not in WRITTEN["scales"]:
            continue
        try:
            resolved = settings.resolve({**WRITTEN, "dataset": dataset, "scale": scale}, SCHEMA)
        except settings.ConfigError:
            continue
        runs[folder.parent.name] = (resolved, benchmarks.read_records(folder, {}, gpu_here))
    return runs


def expected_cost():
    """The table as text; empty if there is nothing to do."""
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
    expected = {job: estimator(description) for job, description in planned.items() if job in to_run}
    if not expected:
        return ""
    seconds = {job: cost.seconds or 0.0 for job, cost in expected.items()}
    table = estimate.table(list(expected.values()), estimate.longest_chain(seconds, workflow.dag.dependencies))
    return "\n".join([table, *prospects.prospects([planned[job] for job in expected], config)])


@atexit.register
def print_expected_cost():
    """Print the table after everything else, unless the dry run failed or is to be quiet."""
    if not workflow.dryrun or workflow.output_settings.quiet or workflow.dag is None:
        return
    if not all(workflow.dag.finished(job) for job in workflow.dag.needrun_jobs(exclude_finished=False)):
        return
    # Whatever goes wrong in the estimate, the dry run itself succeeded.
    try:
        text = expected_cost()
    except Exception as error:
        text = f"The cost could not be estimated: {type(error).__name__}: {error}"
    if text:
        print(f"\n{text}", flush=True)
