# The run as a whole: it has its folder to itself, says whose results it replaces, and is patient with Slurm.
from said.workflow import pace, paths, slurm, takeover

try:
    paths.require_usable(Path.cwd(), BASE, sys.executable)
except paths.PathError as error:
    raise WorkflowError(str(error)) from None
paths.mend_snakemake()
paths.prefer_library(BASE / "scripts")


# Only in the run itself, not in its jobs or in dry runs.
onstart:
    on_slurm = workflow.executor_plugin.name == "slurm"
    if on_slurm:
        slurm.mend_executor(workflow.scheduler._executor)
    try:
        record_unseen(takeover.take_over(Path.cwd(), on_slurm, run_digest(), logger.warning))
    except takeover.TakeoverError as error:
        raise WorkflowError(str(error)) from None
    let_edits_fail(workflow.scheduler)
    pace.lift_default_limit(workflow.scheduler)
    planned = [str(output) for job in workflow.dag.jobs if workflow.dag.needrun(job) for output in job.output]
    if replaced := provenance.find_others(planned, PROVENANCE):
        logger.warning(f"This run ({provenance.sentence(PROVENANCE)}) replaces those of others: {replaced}")


# On demand: checks that every result still is what was written, even the last ones, which no job reads.
rule verify:
    log:
        f"results/{RUN}/logs/verify.log",
    localrule: True
    conda:
        "../envs/said.yaml"
    params:
        folder="results",
        code=code("verify.py"),
    message:
        "Comparing every result with its checksums"
    script:
        "../scripts/verify.py"
