"""snakemake --profile slurm on a real cluster, and what happens to jobs on one.

On a machine with Debian's packages (`cluster.PACKAGES`) a cluster of one node is started for these tests. Where another
one answers already, it runs the whole chain, and the tests that would harm it are skipped.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from cluster import Cluster, ClusterError, Slurm, missing
from conftest import SMOKE, Workflow, differences


@pytest.fixture(scope="module")
def cluster() -> Iterator[Slurm]:
    if reasons := missing():
        if shutil.which("sinfo") and subprocess.run(["sinfo"], capture_output=True).returncode == 0:
            yield Slurm()
            return
        pytest.skip(f"no Slurm answers here and none can be started: {'; '.join(reasons)}")
    with tempfile.TemporaryDirectory(prefix="slurm", ignore_cleanup_errors=True) as folder, ExitStack() as stack:
        try:
            own = stack.enter_context(Cluster(Path(folder)))
        except (ClusterError, OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"no Slurm could be started: {error}")
        yield own


@pytest.fixture
def own_cluster(cluster: Slurm) -> Cluster:
    if not cluster.own:
        pytest.skip("this test stops Slurm's daemons, and the cluster here is not ours")
    return cluster


PATIENCE = 3600
"""Seconds after which a test gives up: what it waits for is an event, however slow the machine."""


class Run:
    """`snakemake --profile slurm` in the background, as from a login node; its output in run.log."""

    def __init__(self, cluster: Slurm, workflow: Workflow, *arguments: str):
        self.cluster = cluster
        self.log = workflow.folder / "run.log"
        _ask_often(workflow)
        command = [sys.executable, "-m", "snakemake", "--profile", "slurm", *arguments]
        environment = {k: v for k, v in cluster.environment.items() if not k.startswith(("PYTEST", "PYTHONPATH"))}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=workflow.folder, env=environment, stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def until(self, condition: Callable[[], object], what: str) -> object:
        """The first true value of `condition`, while Snakemake works."""
        end = time.monotonic() + PATIENCE
        while not (value := condition()):
            assert time.monotonic() < end, f"waited in vain for {what}:\n{self.text[-5000:]}"
            assert self.process.poll() is None, f"Snakemake ended before {what}:\n{self.text[-5000:]}"
            time.sleep(0.2)
        return value

    def running(self, rule: str) -> str:
        """A job of a rule that runs, waited for."""
        return self.until(lambda: self.cluster.queue(rule, "RUNNING"), f"a running {rule}")[0]

    def befall(self, rule: str, fault: Callable[[str], None], state: str) -> None:
        """Do something to running jobs of a rule until one is seen to end by it: others may have ended before."""
        for _ in range(5):
            job = self.running(rule)
            fault(job)
            hit, settled = partial(self.cluster.has_ended, job, state), partial(self.cluster.has_settled, job)
            self.until(lambda: hit() or settled(), f"the end of job {job}")  # noqa: B023, used at once
            if hit():
                return
        raise AssertionError(f"no {rule} became {state}:\n{self.text[-5000:]}")

    def finish(self) -> str:
        """Its output, after it succeeded."""
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"not done after {PATIENCE} s:\n{self.text[-8000:]}") from None
        assert status == 0, self.text[-12000:]
        return self.text


@pytest.fixture
def start(cluster: Slurm) -> Iterator[Callable[..., Run]]:
    """Starts runs, and ends what a failed test leaves of them."""
    runs = []

    def start(workflow: Workflow, *arguments: str) -> Run:
        runs.append(Run(cluster, workflow, *arguments))
        return runs[-1]

    yield start
    for run in runs:
        run.process.kill()
        run.process.wait()
    if cluster.own:
        cluster.command("scancel", *(cluster.queue()), check=False)


TABLES = [f"results/table{name}.csv" for name in ("1", "1_beyond", "1_truth", "2", "2_beyond", "2_truth")]
"""All that is trained, sampled and measured; pictures and films are made on Slurm as anywhere, and take their time."""


def test_all_tables_of_the_paper_on_a_bad_day(cluster, start, workflow, request):
    """The whole chain gives what it gives locally, byte for byte, whatever happens to its jobs."""
    run = start(workflow, *TABLES, *SMOKE)
    if cluster.own:
        cluster.broken.touch()
        run.until(lambda: "could not launch" in run.text, "a job that Slurm cannot launch")
        cluster.broken.unlink()
        cluster.resume()

        run.befall("faces", lambda job: cluster.command("scancel", job), "CANCELLED")

        # What Slurm has started since it last saved its state would be started twice.
        run.running("train_syncnet")
        now = time.time()
        cluster.command("scontrol", "update", "partitionname=main", "state=down")
        run.until(lambda: cluster.saved_at() > now, "the controller's state on disk")
        cluster.stop("slurmctld", signal.SIGKILL)
        time.sleep(4)
        cluster.start("slurmctld")
        run.until(lambda: cluster.succeeds("scontrol", "update", "partitionname=main", "state=up"), "the controller")

        urgent = ("sbatch", "-p", "urgent", "--gres=gpu:2", "--output=/dev/null", "--wrap=sleep 2")
        run.befall("train_said", lambda _: cluster.command(*urgent), "PREEMPTED")
        run.befall("train_said", lambda job: _orphan(cluster, job), "NODE_FAIL")
        run.befall("sample_said", lambda _: _lose_node(cluster), "NODE_FAIL")

        unseen = run.running("evaluate_method")
        run.process.kill()
        run.process.wait()
        end = time.monotonic() + PATIENCE
        while unseen in cluster.queue():
            assert time.monotonic() < end, "a job does not end without its Snakemake"
            time.sleep(1)
        left = cluster.queue()
        total = int(re.search(r"^total +(\d+)$", run.text, re.M)[1])
        finished = int(re.findall(rf"^(\d+) of {total} steps", run.text, re.M)[-1])
        before = len(run.text)
        run = start(workflow, *TABLES, *SMOKE)
    run.finish()
    smoke = request.getfixturevalue("smoke")  # made meanwhile, for other tests
    assert differences(workflow.folder / "results", smoke.folder / "results") == []

    assert workflow.jobs(*TABLES, *SMOKE) == {}, "something is out of date"

    jobs = cluster.jobs("Comment", "State", "WorkDir", "ReqTRES")
    jobs = [job for job in jobs if job["WorkDir"] == str(workflow.folder)]
    assert not [job["Comment"] for job in jobs if re.search("table|publish|record", job["Comment"])], "local jobs"
    # A controller that is killed may lose the comment of a job's first run.
    with_gpu = {job["Comment"].split("_wildcards")[0] for job in jobs if "gres/gpu=1" in job["ReqTRES"]} - {""}
    assert with_gpu == {f"rule_{kind}_{name}" for kind in ("train", "sample") for name in ("said", "baseline")} | {
        "rule_train_extractor"
    }
    assert not [job["Comment"] for job in jobs if "gres/gpu=2" in job["ReqTRES"]]
    if cluster.own:
        states = {job["State"].split()[0] for job in jobs}
        assert {"COMPLETED", "CANCELLED", "PREEMPTED", "NODE_FAIL"} <= states, states
        again = run.text[before:]
        assert "left jobs in Slurm's queue" in again and not set(left) & set(cluster.queue())
        assert int(re.search(r"^total +(\d+)$", again, re.M)[1]) < total - finished, "something was done twice"
    workflow.edit("config.yaml", "wind_components: 2", "wind_components: 3")
    assert workflow.jobs(*TABLES, *SMOKE)["evaluate_method"] == len(
        list((workflow.folder / "results").glob("*/evaluation/*.json"))
    )


def _ask_often(workflow: Workflow) -> None:
    """Ask Slurm for states every three seconds: these jobs take seconds, and would be asked for ever less often."""
    line = "    executor._failed_nodes = NoNodes()\n"
    often = "property(lambda self: 3, lambda self, seconds: None)"
    file = "scripts/said/workflow/slurm.py"
    if often not in (workflow.folder / file).read_text():
        workflow.edit(file, line, f"{line}    plugin.Executor.next_seconds_between_status_checks = {often}\n")


def _orphan(cluster: Cluster, job: str) -> None:
    """Kill what watches over a job on its node; the controller misses it when the node reports for duty."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            named = (process / "cmdline").read_bytes().startswith(f"slurmstepd: [{job}.".encode())
        except OSError:
            continue
        if named:
            os.kill(int(process.name), signal.SIGKILL)
    for _ in range(4):
        time.sleep(25)  # jobs that have only begun are not missed
        cluster.stop("slurmd")
        cluster.start("slurmd")
        time.sleep(3)
        if job not in cluster.queue(state="RUNNING"):
            return


def _lose_node(cluster: Cluster) -> None:
    cluster.command("scontrol", "update", f"nodename={cluster.host}", "state=down", "reason=test")
    time.sleep(2)
    cluster.resume()


def test_a_training_goes_on_after_its_time_limit_and_with_more_memory(own_cluster, start, edited):
    """A job killed for its memory, one whose time is up and the next end with the weights of an undisturbed one."""
    weights = "results/synthetic-smoke/said/base/model.safetensors"
    before = (edited.folder / weights).read_bytes()
    (edited.folder / weights).unlink()
    # The first step lasts until the time of its job is up: on no machine does the job that begins the training end it.
    training = "scripts/said/training/said.py"
    objective = "    def objective(step: Step) -> tuple[Tensor, dict[str, Tensor]]:\n"
    edited.edit(training, "import copy\n", "import copy\nimport time\n")
    wait = "        while step.number == 0 and time.time() < run.checkpoint.deadline:\n            time.sleep(0.1)\n"
    edited.edit(training, objective, objective + wait)
    limits = ["--retries", "9", "--set-resources", "train_said:runtime=2", "train_said:mem_mb=attempt * 300"]
    run = start(edited, weights, *limits, *SMOKE)
    run.finish()
    assert (edited.folder / weights).read_bytes() == before
    jobs = own_cluster.jobs("WorkDir", "Comment", "State", "ReqMem")
    jobs = [job for job in jobs if job["WorkDir"] == str(edited.folder) and "train_said" in job["Comment"]]
    assert [job["ReqMem"] for job in jobs[:3]] == ["300M", "600M", "900M"]
    assert [job["State"] == "COMPLETED" for job in jobs] == [False] * (len(jobs) - 1) + [True]
    assert "stopped at step 1 of 2, because its time is up; run again to continue" in run.text
    log = (edited.folder / "results/synthetic-smoke/logs/train_said/base.log").read_text()
    assert "continues after step 1 of 2" in log


def test_outputs_may_appear_late(own_cluster, start, edited):
    """On a shared file system a file, or a folder, is seen seconds after the job that wrote it has ended."""
    encoder, weights = "results/synthetic-smoke/speech_encoder", "results/synthetic-smoke/said/base/model.safetensors"
    before = (edited.folder / weights).read_bytes()
    shutil.rmtree(edited.folder / encoder)
    (edited.folder / weights).unlink()
    own_cluster.late.write_text(f"6 {encoder} {weights}")
    try:
        start(edited, weights, *SMOKE).finish()
    finally:
        own_cluster.late.unlink()
    assert (edited.folder / weights).read_bytes() == before


def test_samplings_are_one_array_and_may_share_cards(cluster, start, edited):
    """Five samplings that are ready together are one array; on shards, more run at once than there are GPUs."""
    samples = {
        path: path.read_bytes() for path in (edited.folder / "results/synthetic-smoke/methods").glob("*/*.npz")
        if path.parent.name not in ("ground_truth", "oracle", "voca")
    }  # fmt: skip
    for path in samples:
        path.unlink()
    shards = ["--set-resources", "sample_said:gres=shard:1"] if cluster.own else []
    start(edited, *(str(path.relative_to(edited.folder)) for path in samples), *shards, *SMOKE).finish()
    assert {path: path.read_bytes() for path in samples} == samples

    jobs = cluster.jobs("JobID", "WorkDir", "ReqTRES", "Start", "End")
    jobs = [job for job in jobs if job["WorkDir"] == str(edited.folder)]
    assert len(jobs) == 5 and len({job["JobID"].split("_")[0] for job in jobs}) == 1
    if cluster.own:
        assert all("gres/shard=1" in job["ReqTRES"] for job in jobs)
        together = [sum(job["Start"] <= other["Start"] < job["End"] for job in jobs) for other in jobs]
        assert max(together) > cluster.gpus
