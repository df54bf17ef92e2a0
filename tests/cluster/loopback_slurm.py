"""Slurm with one node on 127.0.0.1, for tests: `with running(): ...` starts it, stops it and removes what it wrote.

It needs root and Debian's packages slurm-wlm and munge. Its daemons have a key, a socket, ports, logs and a state of
their own in a temporary folder, and end with the process that started them. Only `/etc/slurm/slurm.conf` lies where
Slurm wants it: the `srun` of a job reads that file and no other.
"""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

CONF = Path("/etc/slurm/slurm.conf")
OURS = "# Written by dotlib's tests/cluster and removed when they end; logs and state are in "
CLUSTER = "dotlib-loopback"  # in the environment of every job
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo", "setpriv")

TEMPLATE = """\
{ours}{folder}
ClusterName={cluster}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
# By groups of processes: a job's programs belong to it even where the one that started them was killed first;
# by parents (proctrack/linuxproc) such an orphan would be left running.
ProctrackType=proctrack/pgid
TaskPlugin=task/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
# Kept for squeue, which snakemake asks how a job ended.
MinJobAge=3600
KillWait=2
ReturnToService=2
SlurmdParameters=config_overrides
StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/node
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=64000
PartitionName=first Nodes=ALL Default=YES
PartitionName=second Nodes=ALL
"""


def obstacle() -> str | None:
    """Why Slurm cannot be started here, in one line with the remedy; None when it can."""
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        return f"not found: {', '.join(missing)}; as root: apt-get install slurm-wlm munge"
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        return f"snakemake has no plugin for Slurm; {sys.executable} -m pip install -c constraints.txt -e '.[cluster]'"
    if os.geteuid() != 0:
        return "Slurm's daemons need root"
    if CONF.exists() and not CONF.read_text(encoding="utf-8").startswith(OURS):
        return f"{CONF} belongs to another Slurm; these tests need a machine without one"
    if running_daemons := {"slurmctld", "slurmd"} & {name for _, name, _ in processes()}:
        return f"already running: {', '.join(sorted(running_daemons))}; these tests need a machine without Slurm"
    return None


@contextmanager
def running() -> Iterator[Path]:
    """Slurm is up inside the block; yields the folder of its logs, which is removed afterwards.

    Raises:
        RuntimeError: `obstacle()`, or a daemon that does not come up within half a minute, with the end of its log.
    """
    if reason := obstacle():
        raise RuntimeError(reason)
    _remove()
    with ExitStack() as stack:
        stack.callback(signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, signal.default_int_handler))
        folder = Path(tempfile.mkdtemp(prefix="dotlib-slurm-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        for name in ("munge", "controller", "node"):
            (folder / name).mkdir()
        _start_munge(stack, folder / "munge")
        stack.callback(_remove)
        CONF.parent.mkdir(exist_ok=True)
        CONF.write_text(_configuration(folder), encoding="utf-8")
        stack.enter_context(_daemon("slurmctld", "-D"))
        stack.enter_context(_daemon("slurmd", "-D"))
        _wait("node is idle", lambda: _output("sinfo", "-h", "-o", "%T") == "idle", folder)
        stack.callback(_cancel_all, folder)
        yield folder


def _start_munge(stack: ExitStack, folder: Path) -> None:
    key, sock = folder / "key", folder / "socket"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(1024))
    for path in (folder, key):
        shutil.chown(path, "munge", "munge")
    files = [f"--{name}-file={folder / name}" for name in ("key", "log", "pid", "seed")]
    user = ("--reuid=munge", "--regid=munge", "--clear-groups")
    stack.enter_context(_daemon("munged", "--foreground", f"--socket={sock}", *files, user=user))
    _wait("munged answers", sock.is_socket, folder)


def _configuration(folder: Path) -> str:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = {"controller_port": one.getsockname()[1], "node_port": other.getsockname()[1]}
    host = socket.gethostname().partition(".")[0]
    return TEMPLATE.format(ours=OURS, folder=folder, cluster=CLUSTER, host=host, **ports)


@contextmanager
def _daemon(*command: str, user: tuple[str, ...] = ()) -> Iterator[None]:
    """A child in the foreground; the kernel ends it should this process be killed."""
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *user, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the tests, which then stop the daemons in order
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _cancel_all(folder: Path) -> None:
    """End every job with its processes, before the node's daemon goes."""
    _output("scancel", "--user=root")
    _wait("all jobs ended", lambda: not _output("squeue", "-h", "-o", "%A"), folder)


def _wait(what: str, holds: Callable[[], bool], folder: Path, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            logs = [path.read_text(encoding="utf-8", errors="replace")[-2000:] for path in sorted(folder.glob("*log"))]
            raise RuntimeError("\n".join([f"after {seconds} s it is not true that {what}", *logs]))
        time.sleep(0.2)


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20).stdout.strip()


def processes() -> Iterator[tuple[int, str, bytes]]:
    """(id, name, environment) of every process."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # ended meanwhile
            yield int(folder.name), (folder / "comm").read_text("utf-8").strip(), (folder / "environ").read_bytes()


def _remove() -> None:
    """Remove our slurm.conf, the folder that it names, and programs of jobs, once the daemons are gone."""
    if CONF.exists():
        shutil.rmtree(CONF.read_text("utf-8").splitlines()[0].removeprefix(OURS), ignore_errors=True)
        for identity, name, environment in processes():
            if name == "slurmstepd" or f"SLURM_CLUSTER_NAME={CLUSTER}\0".encode() in environment:
                with suppress(ProcessLookupError):
                    os.kill(identity, signal.SIGKILL)
        CONF.unlink()


if __name__ == "__main__":
    if reason := obstacle():
        sys.exit(f"the cluster tests cannot run here: {reason}")
