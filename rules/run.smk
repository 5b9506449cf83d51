# A run as a whole: alone in its folder, and on Slurm patient.
import asyncio
import contextlib
import hashlib
import json
import subprocess
import time

from said.workflow import takeover


# Of the run itself alone: neither of its jobs nor of dry runs.
onstart:
    slurm = workflow.executor_plugin.name == "slurm"
    if slurm:
        mend_executor(workflow.scheduler._executor)
    try:
        record_unseen(takeover.take_over(Path.cwd(), slurm, written(), logger.warning))
    except takeover.TakeoverError as error:
        raise WorkflowError(str(error)) from None
    let_edits_fail(workflow.scheduler)
    planned = [str(output) for job in workflow.dag.jobs if workflow.dag.needrun(job) for output in job.output]
    if replaced := provenance.find_others(planned, PROVENANCE):
        logger.warning(f"This run ({provenance.sentence(PROVENANCE)}) replaces those of others: {replaced}")


def let_edits_fail(scheduler):
    """Let the run go on when a job of the entries of `edits` fails: no table waits for a user's recording.

    It is Snakemake's --keep-going for these jobs alone; another failure ends the run as ever.
    """
    handle_error, keep_going = scheduler._handle_error, scheduler.keepgoing

    def handle(job, *arguments, **settings):
        handle_error(job, *arguments, **settings)
        failed = [one for group in scheduler.failed for one in getattr(group, "jobs", [group])]
        scheduler.keepgoing = keep_going or all(Path(str(one.rule.snakefile)).stem == "editing" for one in failed)

    scheduler._handle_error = handle


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


class NoNodes(set):
    """The nodes that the Slurm executor does without after a failure there: none."""

    def add(self, node):
        pass


def mend_executor(executor):
    """Mend what in snakemake-executor-plugin-slurm 2.8.0 would fail a run, or let it wait for ever.

    - A job that was cancelled is `CANCELLED by <user>` to sacct, which is taken for a state that a job may leave.
    - When Slurm does not answer, no job is asked for ever again. Jobs are submitted to it all the same, and fail.
    - Nodes where a job failed are excluded for the rest of the run, though Slurm knows when they are up; and so is
      "None assigned", the node of a job that waits, after which no job can be submitted (its issue 485).
    - A job that Slurm could not launch is held by it, and waited for until somebody releases it.
    """
    import snakemake_executor_plugin_slurm as plugin

    query, submission = plugin.query_job_status, plugin.get_submit_command

    async def patient_query(command, logger):
        while True:
            states, seconds = await query(command, logger)
            with contextlib.suppress(takeover.TakeoverError):  # Slurm does not answer, and will be asked again
                await asyncio.to_thread(takeover.cancel_held, Path.cwd(), logger.warning)
            if states is not None:
                return {job: state.partition(" ")[0] for job, state in states.items()}, seconds
            logger.warning("Slurm does not say how the jobs are; asking again in 10 s")
            await asyncio.sleep(10)

    def patient_submission(*arguments, **settings):
        while subprocess.run(["scontrol", "ping"], capture_output=True).returncode:
            logger.warning("Slurm's controller does not answer, and no job can be submitted; asking again in 10 s")
            time.sleep(10)
        return submission(*arguments, **settings)

    plugin.query_job_status, plugin.get_submit_command = patient_query, patient_submission
    executor._failed_nodes = NoNodes()
