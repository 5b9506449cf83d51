# A run as a whole: alone in its folder and with its results, and on Slurm patient.
import hashlib
import json

from said.workflow import paths, slurm, takeover

try:
    paths.require_usable(Path.cwd(), BASE, sys.executable)
except paths.PathError as error:
    raise WorkflowError(str(error)) from None
paths.mend_snakemake()


# Of the run itself alone: neither of its jobs nor of dry runs.
onstart:
    on_slurm = workflow.executor_plugin.name == "slurm"
    if on_slurm:
        slurm.mend_executor(workflow.scheduler._executor)
    try:
        record_unseen(takeover.take_over(Path.cwd(), on_slurm, written(), logger.warning))
    except takeover.TakeoverError as error:
        raise WorkflowError(str(error)) from None


def written():
    """Digest of all that results follow from: configuration and code."""
    codes = [digest.code(script, BASE / "scripts") for script in sorted((BASE / "scripts").glob("*.py"))]
    return hashlib.sha256(json.dumps([config, codes], sort_keys=True).encode()).hexdigest()


def record_unseen(killed_with):
    """Have Snakemake know how those results were made that Slurm's jobs finished after their run was killed.

    It knows no settings of theirs, and would not make them again after an edit.

    Args:
        killed_with: what the run before, if it was killed, had `written`.
    """
    unseen = [
        job
        for job in workflow.dag.jobs
        if job.output and not workflow.dag.needrun(job) and not workflow.persistence.has_metadata(job)
    ]
    if killed_with == written():
        for job in unseen:
            workflow.async_run(workflow.persistence.finished(job))
    elif killed_with and unseen:
        outputs = ", ".join(str(output) for job in unseen for output in job.output)
        logger.warning(
            "A run that was killed made these, and settings or code were edited since. Whether they depend on the "
            f"edit is not known; remove them if they do: {outputs}"
        )


# On demand: whether every result, the last ones that no job reads among them, is still what was written.
rule verify:
    params:
        folder="results",
        code=code("verify.py"),
    log:
        f"results/{RUN}/logs/verify.log",
    message:
        "Comparing every result with its sums"
    localrule: True
    conda:
        "../envs/said.yaml"
    script:
        "../scripts/verify.py"
