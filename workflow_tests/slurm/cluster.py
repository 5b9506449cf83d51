"""A real Slurm of one node, with accounting and GPUs that are not there, from Debian's packages.

No systemd, no file outside one folder, ports of its own: munged, mariadbd, slurmdbd, slurmctld and slurmd are children
of this process and end with it.

    python workflow_tests/slurm/cluster.py <folder>      # keeps one up, to look around; Ctrl-C ends it
"""

import contextlib
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PACKAGES = ("slurm-wlm", "munge", "slurmdbd", "mariadb-server")
PROGRAMS = ("munged", "mariadbd", "mariadb-install-db", "mariadb", "slurmdbd", "slurmctld", "slurmd", "sbatch", "sacct")
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


class ClusterError(RuntimeError):
    """The cluster cannot be had; says what is missing or which daemon failed, with the end of its log."""


def missing() -> list[str]:
    """What hinders a cluster here; empty where nothing does."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
    reasons = [f"not installed: {', '.join(absent)} (apt install {' '.join(PACKAGES)})"] if absent else []
    if getpass.getuser() != "root":
        reasons.append("slurmd starts jobs for other users and needs root")
    return reasons


class Slurm:
    """The cluster that this shell is a login node of."""

    own = False
    """Whether its daemons are ours to stop."""

    @property
    def environment(self) -> dict[str, str]:
        """What a shell needs to be a login node of this cluster."""
        return dict(os.environ)

    def command(self, *words: str, check: bool = True, timeout: float = 600) -> str:
        """What one of Slurm's commands prints."""
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=timeout)
        if check and done.returncode:
            raise ClusterError(f"{' '.join(words)}: {done.stderr or done.stdout}")
        return done.stdout

    def succeeds(self, *words: str) -> bool:
        """Whether a command does."""
        return subprocess.run(words, env=self.environment, capture_output=True, timeout=600).returncode == 0

    def jobs(self, *fields: str) -> list[dict[str, str]]:
        """Every run of every job of the last day, from the accounting: fields of sacct by name."""
        text = self.command("sacct", "-X", "-n", "-P", "-D", "-o", ",".join(fields), "-S", "now-1day")
        return [dict(zip(fields, line.split("|"), strict=True)) for line in text.splitlines()]

    def has_ended(self, job: str, state: str) -> bool:
        """Whether a run of a job has come to such an end."""
        return any(
            record["JobID"] == job and record["State"].startswith(state) for record in self.jobs("JobID", "State")
        )

    def has_settled(self, job: str) -> bool:
        """Whether a job has left the queue and the accounting, which learns of it later, knows how."""
        states = [record["State"] for record in self.jobs("JobID", "State") if record["JobID"] == job]
        return job not in self.queue() and bool(states) and not {"RUNNING", "PENDING"} & set(states)

    def queue(self, comment: str = "", state: str = "") -> list[str]:
        """Jobs in the queue with such a comment, in which the executor writes rule or group, and such a state."""
        rows = [line.split("|") for line in self.command("squeue", "-h", "-o", "%i|%T|%k").splitlines()]
        return [job for job, now, text in rows if now.startswith(state) and comment in text]


class Cluster(Slurm):
    """One node named like the host: CPUs and memory as claimed, GPUs by name alone; a partition, and one to preempt it.

    Args:
        folder: for configuration, state, sockets, logs; short, as paths of sockets are limited to 107 characters.
        cpus, memory_mb, gpus: what the node claims to have.
    """

    own = True

    def __init__(self, folder: Path, cpus: int = 4, memory_mb: int = 16000, gpus: int = 2):
        if reasons := missing():
            raise ClusterError("; ".join(reasons))
        self.folder = Path(folder)
        self.host = socket.gethostname().split(".")[0]
        self.cpus, self.memory_mb, self.gpus = cpus, memory_mb, gpus
        self.daemons: dict[str, subprocess.Popen] = {}
        self.ports = dict(zip(("slurmctld", "slurmd", "slurmdbd"), _free_ports(3), strict=True))

    @property
    def environment(self) -> dict[str, str]:
        """What a shell needs to be a login node of this cluster."""
        own = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM_", "SBATCH_"))}
        path = os.pathsep.join([str(self.folder / "bin"), PATH])
        return {**own, "SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}

    def __enter__(self) -> "Cluster":
        try:
            self._configure()
            self._start_munge()
            self._start_database()
            self.start("slurmdbd")
            self._wait("slurmdbd", lambda: self.succeeds("sacctmgr", "-n", "show", "cluster"))
            self.command("sacctmgr", "-i", "add", "cluster", "test", check=False)
            self.command("sacctmgr", "-i", "add", "account", "default", check=False)
            self.command("sacctmgr", "-i", "add", "user", getpass.getuser(), "account=default", check=False)
            self.start("slurmctld")
            self._wait(
                "slurmctld", lambda: self.succeeds("scontrol", "ping") and "UP" in self.command("scontrol", "ping")
            )
            self.start("slurmd")
            self._wait("slurmd", lambda: "idle" in self.command("sinfo", "-h", "-o", "%T"))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        if (self.folder / "slurm.conf").exists() and "slurmctld" in self.daemons:
            self.command("scancel", "--user", getpass.getuser(), check=False, timeout=20)
        for name in ("slurmd", "slurmctld", "slurmdbd", "mariadbd", "munged"):
            self.stop(name)
        _kill_left_over(self.folder)

    @property
    def broken(self) -> Path:
        """A file; while it is there, the node's prolog fails, and with it the launch of each job."""
        return self.folder / "broken"

    @property
    def late(self) -> Path:
        """A file with seconds, and the paths that appear so late after a job has written them, as shared ones may."""
        return self.folder / "late"

    def start(self, name: str) -> None:
        """Start slurmdbd, slurmctld or slurmd, also again after a `stop`."""
        self._spawn(name, [name, "-D"] + (["-N", self.host] if name == "slurmd" else []))

    def stop(self, name: str, how: int = signal.SIGTERM) -> None:
        """Stop a daemon: in order, or as a crash does with SIGKILL."""
        daemon = self.daemons.pop(name, None)
        if daemon is None:
            return
        daemon.send_signal(how)
        try:
            daemon.wait(20)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def saved_at(self) -> float:
        """When the controller last saved its partitions, and just before them its jobs: seconds of the epoch."""
        state = self.folder / "state" / "part_state"
        return state.stat().st_mtime if state.exists() else 0.0

    def resume(self) -> None:
        """Have the node take jobs again, if it is down or drained."""
        self.command("scontrol", "update", f"nodename={self.host}", "state=resume", check=False)

    def _configure(self) -> None:
        for name in ("spool", "state", "log", "run", "database", "bin"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        user, run, log = getpass.getuser(), self.folder / "run", self.folder / "log"
        gres = f"gpu:{self.gpus},shard:{2 * self.gpus}"
        _write(
            self.folder / "slurm.conf",
            f"""ClusterName=test
SlurmctldHost={self.host}(127.0.0.1)
SlurmctldPort={self.ports["slurmctld"]}
SlurmdPort={self.ports["slurmd"]}
SlurmUser={user}
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket={run}/munge.socket,cred_expire=10
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool
SlurmctldPidFile={run}/slurmctld.pid
SlurmdPidFile={run}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
Prolog={self.folder}/prolog
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
ReturnToService=2
SlurmdTimeout=300
KillWait=10
MinJobAge=600
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort={self.ports["slurmdbd"]}
AccountingStoreFlags=job_comment
AccountingStorageTRES=gres/gpu,gres/shard
AccountingStoragePass={run}/munge.socket
SlurmdParameters=config_overrides
GresTypes=gpu,shard
NodeName={self.host} NodeAddr=127.0.0.1 CPUs={self.cpus} RealMemory={self.memory_mb} Gres={gres} State=UNKNOWN
PartitionName=main Nodes={self.host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes={self.host} MaxTime=INFINITE State=UP PriorityTier=10
""",
        )
        devices = [run / f"gpu{index}" for index in range(self.gpus)]  # Slurm wants files to exist, and no more
        for device in devices:
            device.touch()
        _write(
            self.folder / "gres.conf",
            "".join(f"Name=gpu File={device}\n" for device in devices) + f"Name=shard Count={2 * self.gpus}\n",
        )
        _write(self.folder / "cgroup.conf", "CgroupPlugin=cgroup/v1\n")
        _write(
            self.folder / "slurmdbd.conf",
            f"""AuthType=auth/munge
AuthInfo=socket={run}/munge.socket
DbdHost=localhost
DbdPort={self.ports["slurmdbd"]}
SlurmUser={user}
PidFile={run}/slurmdbd.pid
LogFile={log}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser={user}
StorageLoc=slurm_acct_db
""",
            mode=0o600,
        )
        _write(self.folder / "prolog", f"#!/bin/sh\n! test -e {self.broken}\n", mode=0o755)
        # Snakemake's executor takes every SLURM_ variable from a job before it calls srun, this one too.
        _write(
            self.folder / "bin" / "srun",
            f"""#!/bin/sh
export SLURM_CONF={self.folder}/slurm.conf
{shutil.which("srun", path=PATH)} "$@"
status=$?
[ -s {self.late} ] && {sys.executable} {__file__} --withhold {self.late}
exit $status
""",
            mode=0o755,
        )

    def _start_munge(self) -> None:
        key, run = self.folder / "run" / "munge.key", self.folder / "run"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        self._spawn(
            "munged",
            ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={run}/munge.socket",
             f"--pid-file={run}/munged.pid", f"--log-file={self.folder}/log/munged.own.log",
             f"--seed-file={run}/munged.seed"],
        )  # fmt: skip
        self._wait("munged", (run / "munge.socket").exists)

    def _start_database(self) -> None:
        """MariaDB without network; slurmdbd finds its socket through the client's configuration file."""
        data, socket_path = self.folder / "database", self.folder / "run" / "mariadb.socket"
        user = getpass.getuser()
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={data}", f"--user={user}",
             "--auth-root-authentication-method=socket"],
            env=self.environment, check=True, capture_output=True,
        )  # fmt: skip
        self._spawn(
            "mariadbd",
            ["mariadbd", "--no-defaults", f"--datadir={data}", f"--socket={socket_path}", f"--user={user}",
             "--skip-networking", f"--pid-file={self.folder}/run/mariadbd.pid", "--innodb-buffer-pool-size=64M"],
        )  # fmt: skip
        client = ["mariadb", "--no-defaults", f"--socket={socket_path}", "-e"]
        self._wait("mariadbd", lambda: self.succeeds(*client, "select 1"))
        self.command(*client, "create database slurm_acct_db")

    def _spawn(self, name: str, words: list[str]) -> None:
        environment = {**self.environment, "MYSQL_UNIX_PORT": str(self.folder / "run" / "mariadb.socket")}
        with open(self.folder / "log" / f"{name}.log", "ab") as log:
            self.daemons[name] = subprocess.Popen(
                words, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )

    def _wait(self, name: str, ready: Callable[[], bool], seconds: float = 600) -> None:
        end = time.monotonic() + seconds
        while not ready():
            if self.daemons[name].poll() is not None or time.monotonic() > end:
                log = (self.folder / "log" / f"{name}.log").read_text(errors="replace")
                raise ClusterError(f"{name} does not come up; the end of its log:\n{log[-2000:]}")
            time.sleep(0.1)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.write_text(text)
    path.chmod(mode)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _kill_left_over(folder: Path) -> None:
    """End jobs whose slurmd or slurmstepd was killed over them."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            environment = (process / "environ").read_bytes().split(b"\0")
            of_a_job = any(entry.startswith(b"SLURM_JOB_ID=") for entry in environment)
            if of_a_job and f"SLURM_CONF={folder / 'slurm.conf'}".encode() in environment:
                os.kill(int(process.name), signal.SIGKILL)


def _withhold(late: Path) -> None:
    """Move the paths that `late` names out of sight, and let another process put them back after its seconds."""
    seconds, *names = late.read_text().split()
    folder = Path(tempfile.mkdtemp(dir="."))
    moved = {folder / str(number): name for number, name in enumerate(names) if Path(name).exists()}
    for aside, name in moved.items():
        Path(name).replace(aside)
    put_back = [f"sleep {seconds}", *(f"mv {aside} {name}" for aside, name in moved.items()), f"rmdir {folder}"]
    nothing = subprocess.DEVNULL
    subprocess.Popen(["setsid", "sh", "-c", "; ".join(put_back)], stdin=nothing, stdout=nothing, stderr=nothing)


if __name__ == "__main__":
    if sys.argv[1] == "--withhold":
        sys.exit(_withhold(Path(sys.argv[2])))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with contextlib.suppress(KeyboardInterrupt), Cluster(Path(sys.argv[1]).resolve()) as cluster:
        print(f"export SLURM_CONF={cluster.folder / 'slurm.conf'} PATH={cluster.folder / 'bin'}:$PATH", flush=True)
        signal.pause()
