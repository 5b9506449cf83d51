"""Repairs of snakemake-executor-plugin-slurm, until it has them itself."""

import asyncio
import contextlib
import subprocess
import time
from logging import Logger
from pathlib import Path
from typing import Any

from said.workflow import takeover


class NoNodes(set[str]):
    """The nodes that the Slurm executor avoids after a failure there: none."""

    def add(self, node: str) -> None:
        pass


def mend_executor(executor: Any) -> None:
    """Repair what in snakemake-executor-plugin-slurm 2.8.0 would fail a run or make it wait for ever.

    - sacct reports a cancelled job as `CANCELLED by <user>`, which the plugin takes for a state that may still change.
    - Once Slurm fails to answer, the plugin never asks about a job again, yet goes on submitting jobs, which fail.
    - The plugin avoids nodes where a job failed for the rest of the run, though Slurm knows when they are up again;
      and "None assigned", the node of a waiting job, too, after which no job can be submitted (its issue 485).
    - The plugin waits for ever for a job that Slurm could not launch and holds until somebody releases it.

    Args:
        executor: of the run.
    """
    import snakemake_executor_plugin_slurm as plugin

    query, submission = plugin.query_job_status, plugin.get_submit_command

    async def patient_query(command: str, logger: Logger) -> tuple[dict[str, str], float | None]:
        while True:
            states, seconds = await query(command, logger)
            with contextlib.suppress(takeover.TakeoverError):  # Slurm does not answer; it will be asked again
                await asyncio.to_thread(takeover.cancel_held, Path.cwd(), logger.warning)
            if states is not None:
                return {job: state.partition(" ")[0] for job, state in states.items()}, seconds
            logger.warning("Slurm does not answer with the states of the jobs; asking again in 10 s")
            await asyncio.sleep(10)

    def patient_submission(*arguments: Any, **settings: Any) -> Any:
        while subprocess.run(["scontrol", "ping"], capture_output=True).returncode:
            executor.logger.warning(
                "Slurm's controller does not answer, so no job can be submitted; trying again in 10 s"
            )
            time.sleep(10)
        return submission(*arguments, **settings)

    plugin.query_job_status, plugin.get_submit_command = patient_query, patient_submission
    executor._failed_nodes = NoNodes()
