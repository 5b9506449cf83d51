"""Kill the workflow at random moments, start it again with the same command, and compare results with a quiet run's.

Every second kill takes the main process alone, whose jobs live on as orphans; the others take all of its processes at
once, as a power cut does.

    python workflow_tests/faults/harness.py --kills 100 --seed 1
"""

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "scripts")]

from conftest import SMOKE, Workflow, copy_workflow, differences

_JOB, _TOTAL = re.compile(r"^Job \d+: ", re.M), re.compile(r"^total +(\d+)$", re.M)


@dataclass(frozen=True)
class Kill:
    """What was killed, after how many seconds and how many job starts of that attempt, and the jobs then left to do."""

    what: str
    seconds: float
    jobs: int
    left: int | None


class Attempt:
    """Snakemake at work in a session of its own, its output in a file."""

    def __init__(self, workflow: Workflow, *arguments: str):
        self.output = workflow.folder / "attempt.log"
        variables = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "PYTHONPATH"))}
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                command,
                cwd=workflow.folder,
                env=variables,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.output.read_text(errors="replace")

    @property
    def jobs(self) -> int:
        """Jobs started so far."""
        return len(_JOB.findall(self.text))

    @property
    def total(self) -> int | None:
        """Jobs that were to be done when this attempt began; None before it has found out."""
        found = _TOTAL.search(self.text)
        return int(found[1]) if found else None

    def wait_for(self, *jobs: str, timeout: float = 3600.0) -> None:
        """Until the output holds each of these texts."""
        end = time.monotonic() + timeout
        while not all(job in self.text for job in jobs):
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"never came to {jobs}:\n{self.text[-4000:]}")
            time.sleep(0.05)

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, timeout: float = 3600.0) -> int:
        return self.process.wait(timeout)

    def kill(self, what: str) -> None:
        """SIGKILL to the main process alone, or to all."""
        if what == "main process":
            self.process.kill()
        else:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def kill_until_finished(
    workflow: Workflow, arguments: Sequence[str], jobs: int, kills: int, seed: int
) -> Iterator[Kill]:
    """Kill a run so many times at random moments, starting it again each time; then let it finish.

    Moments are drawn so that the kills are spread over one run's work, on a machine of any speed: after a random number
    of job starts, and a random time after that.

    Args:
        jobs: that an undisturbed run of `arguments` has to do.

    Raises:
        AssertionError: an attempt that was not killed failed, or the run was finished before the last kill.
    """
    chance = random.Random(seed)
    left = jobs
    for number in range(kills):
        # Two are at work when they are killed: of the jobs begun, all but two are done.
        starts = chance.randint(0, min(max(1, left // 2), 2 + round(2 * left / (kills - number + 1))))
        delay = chance.random() * (1.0 if starts else 3.0)  # 0: while it still reads and plans
        what = ("main process", "all processes")[number % 2]
        began = time.monotonic()
        attempt = Attempt(workflow, *arguments)
        while attempt.process.poll() is None and attempt.jobs < starts:
            time.sleep(0.02)
        time.sleep(delay)
        if attempt.process.poll() is not None:
            raise AssertionError(f"ended before kill {number + 1}:\n{attempt.text[-4000:]}")
        attempt.kill(what)
        left = attempt.total or left
        yield Kill(what, time.monotonic() - began, attempt.jobs, attempt.total)
        left = max(1, left - attempt.jobs)
    attempt = Attempt(workflow, *arguments)
    if attempt.end():
        raise AssertionError(f"did not finish:\n{attempt.text[-6000:]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", default="tables", help="a rule or file of the workflow (default: tables)")
    options = parser.parse_args()
    arguments = (options.target, *SMOKE)
    with tempfile.TemporaryDirectory(prefix="said-faults-") as folder:
        undisturbed = copy_workflow(Path(folder, "undisturbed"))
        jobs = sum(undisturbed.jobs(*arguments).values())
        began = time.monotonic()
        undisturbed(*arguments)
        print(f"undisturbed: {jobs} jobs in {time.monotonic() - began:.0f} s", flush=True)
        disturbed, began = copy_workflow(Path(folder, "disturbed")), time.monotonic()
        print(" kill  of              after   jobs begun   were to do")
        kills = kill_until_finished(disturbed, arguments, jobs, options.kills, options.seed)
        for number, kill in enumerate(kills, start=1):
            left = "starting" if kill.left is None else kill.left
            print(f"{number:5}  {kill.what:14}  {kill.seconds:5.1f} s  {kill.jobs:10}   {left:>10}", flush=True)
        print(f"finished after {options.kills} kills in {time.monotonic() - began:.0f} s")
        found = differences(disturbed.folder / "results", undisturbed.folder / "results")
        sys.exit("\n".join(found) or print("every file is the undisturbed run's"))


if __name__ == "__main__":
    main()
