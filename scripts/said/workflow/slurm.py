"""What snakemake-executor-plugin-slurm lacks, mended until it has it."""

import asyncio
import contextlib
import subprocess
import time
from logging import Logger
from pathlib import Path
from typing import Any

from said.workflow import takeover


class NoNodes(set[str]):
    """The nodes that the Slurm executor does without after a failure there: none."""

    def add(self, node: str) -> None:
        pass


def mend_executor(executor: Any) -> None:
    """Mend what in snakemake-executor-plugin-slurm 2.8.0 would fail a run, or let it wait for ever.

    - A job that was cancelled is `CANCELLED by <user>` to sacct, which is taken for a state that a job may leave.
    - When Slurm does not answer, no job is asked for ever again. Jobs are submitted to it all the same, and fail.
    - Nodes where a job failed are excluded for the rest of the run, though Slurm knows when they are up; and so is
      "None assigned", the node of a job that waits, after which no job can be submitted (its issue 485).
    - A job that Slurm could not launch is held by it, and waited for until somebody releases it.

    Args:
        executor: of the run.
    """
    import snakemake_executor_plugin_slurm as plugin

    query, submission = plugin.query_job_status, plugin.get_submit_command

    async def patient_query(command: str, logger: Logger) -> tuple[dict[str, str], float | None]:
        while True:
            states, seconds = await query(command, logger)
            with contextlib.suppress(takeover.TakeoverError):  # Slurm does not answer, and will be asked again
                await asyncio.to_thread(takeover.cancel_held, Path.cwd(), logger.warning)
            if states is not None:
                return {job: state.partition(" ")[0] for job, state in states.items()}, seconds
            logger.warning("Slurm does not say how the jobs are; asking again in 10 s")
            await asyncio.sleep(10)

    def patient_submission(*arguments: Any, **settings: Any) -> Any:
        while subprocess.run(["scontrol", "ping"], capture_output=True).returncode:
            executor.logger.warning(
                "Slurm's controller does not answer, and no job can be submitted; asking again in 10 s"
            )
            time.sleep(10)
        return submission(*arguments, **settings)

    plugin.query_job_status, plugin.get_submit_command = patient_query, patient_submission
    executor._failed_nodes = NoNodes()
