"""A Slurm cluster on this machine for the tests of this folder, and the micro study, finished without Slurm, to compare with."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from slurm_runs import GATHERED, SUITE, TABLES, Study, call, clone, cluster, queue, wait_for

STEADY = """  - |
    # Of these tests alone: the executor's pauses grow by 10 s for as long as nothing ends, and a job that is held ends late.
    import asyncio
    from snakemake_interface_executor_plugins.executors import remote
    remote.RemoteExecutor.sleep = lambda executor, pause=poll, wait=asyncio.sleep: wait(pause)

"""
DAEMONS = ("slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd", "sbatch")


class Clusters:
    """At most one cluster is up at a time; what sets its kind apart is an option of the script beside this file."""

    def __init__(self):
        self.folder, self.n_started, self.kind = Path(tempfile.mkdtemp(prefix="robustlens-slurm-")), 0, None

    def provide(self, *kind: str) -> None:
        """A cluster of this kind with an empty queue and four idle nodes."""
        if self.kind != kind or subprocess.run(["scontrol", "ping"], capture_output=True, timeout=60).returncode:
            self.stop()
            self.n_started += 1
            cluster("up", self.folder / str(self.n_started), *kind)
            self.kind = kind
        call("scancel", "--user=root")
        wait_for(lambda: not queue(), "an empty queue", 60)
        wait_for(lambda: len(set(call("sinfo", "--noheader", "--Node", "--states=idle", "--format=%N").split())) == 4, "idle nodes", 60)

    def stop(self) -> None:
        """Also one that an earlier session left behind."""
        cluster("down")
        self.kind = None


@pytest.fixture(scope="session")
def clusters():
    if os.geteuid() != 0:
        pytest.skip("Slurm's daemons need root")
    if missing := [name for name in DAEMONS if not shutil.which(name)]:
        pytest.skip(f"no Slurm here: {', '.join(missing)} (.ci/run installs it)")
    with open("/tmp/robustlens-cluster.lock", "w") as lock:
        wait_for(lambda: _locked(lock), "another run of these tests, which has the cluster", 1800)
        found = Clusters()
        try:
            yield found
        finally:
            found.stop()
            shutil.rmtree(found.folder, ignore_errors=True)


def _locked(file) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@pytest.fixture(scope="module")
def slurm(clusters):
    """A cluster with accounting, as most sites have it."""
    clusters.provide()


@pytest.fixture(scope="module")
def slurm_without_accounting(clusters):
    clusters.provide("--no-accounting")


@pytest.fixture(scope="module")
def slurm_with_limits(clusters):
    """One that asks for an account, a QOS and the model of a GPU, and bounds time and memory."""
    clusters.provide("--limits")


@pytest.fixture(scope="session")
def source(tmp_path_factory) -> Path:
    """A clone that nothing has run in; its profile looks at the jobs at a steady pace."""
    folder = clone(tmp_path_factory.mktemp("cluster") / "source")
    profile = folder / "slurm/config.yaml"
    head, executor, rest = profile.read_text().partition("executor: slurm\n")
    assert executor and "poll = site(" in head
    profile.write_text(f"{head.rstrip()}\n{STEADY}{executor}{rest}")
    return folder


@pytest.fixture(scope="session")
def reference(clusters, source) -> Study:
    """The micro study, finished on this machine alone."""
    study = Study(Path(shutil.copytree(source, source.with_name("reference"))))
    study.snakemake("--cores", "2")
    return study


@pytest.fixture(scope="session")
def copy_of(reference):
    """Makes a copy of the finished study that lacks some shards of alexnet-s's predictions and what is made of them.

    Over Slurm run the shards alone: gathering them is a job like any other, of which the study from nothing has two.
    """

    def copy(name: str, shards: Iterable[int], **options) -> Study:
        missing = [f"{SUITE}/shard-{shard:04d}.parquet" for shard in shards]
        study = Study(Path(shutil.copytree(reference.folder, reference.folder.with_name(name))), missing=missing, **options)
        for file in (GATHERED, *TABLES, *missing):
            (study.folder / file).unlink()
        return study

    return copy
