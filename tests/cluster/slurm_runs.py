"""Runs a study over Slurm as a user does, with faults that were planned beforehand, and says what became of its jobs."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from pathlib import Path

import pytest

import preloaded
from runs import REPOSITORY, tables

CLUSTER = Path(__file__).with_name("cluster")
SOURCES = ("Snakefile", "rules", "workflow_scripts", "schemas", "envs", "profiles", "resources", "slurm", "tests/cluster")
RUN_LIMIT = 900  # seconds that a run may take before it counts as hanging; on two free cores none takes 180, but other suites share them
SITE = {"ROBUSTLENS_DEVICE": "cpu", "ROBUSTLENS_POLL": "3"}  # what the profile must know of this cluster: its GPUs are none
SUITE = "results/predictions/alexnet-s/generalisation"  # where most faults strike: three shards
GATHERED = "results/predictions/alexnet-s/predictions.parquet"  # of all shards of both suites
TABLES = ("results/reports/tables/accuracy.csv", "results/reports/claims.csv")  # that are made of predictions


def call(*command: str | Path | int, limit: float = 120, **options) -> str:
    """What a command prints; the test fails where the command does, or where it takes longer than ``limit`` seconds."""
    command = [str(part) for part in command]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, **options)
    except subprocess.TimeoutExpired:
        pytest.fail(f"{' '.join(command)} did not end within {limit} s")
    if done.returncode:
        pytest.fail(f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def cluster(*words: str | Path) -> None:
    """Call the script beside this file; what it starts outlives it, so its output is no pipe."""
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run([CLUSTER, *map(str, words)], stdout=output, stderr=subprocess.STDOUT, timeout=180)
        if done.returncode:
            output.seek(0)
            pytest.fail(f"cluster {' '.join(map(str, words))}: {output.read()[-2000:]}")


def wait_for(what: Callable[[], object], words: str, limit: float = 300):
    """The first true value of ``what()``; the test fails after ``limit`` seconds without one."""
    deadline = time.monotonic() + limit
    while not (found := what()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {limit} s for {words}")
        time.sleep(0.2)
    return found


def job(number: int) -> dict[str, str]:
    """What Slurm's controller knows of a job (for five minutes after its end): JobState, Partition, TimeLimit, Restarts ..."""
    fields = call("scontrol", "show", "job", "--oneliner", number).split()
    return dict(field.split("=", 1) for field in fields if "=" in field)


def accounted(number: int) -> dict[str, str]:
    """What the accounting database knows of a job, for good."""
    fields = ("State", "Partition", "AllocTRES", "ReqMem", "TimelimitRaw", "NodeList", "Comment", "Start", "End")
    text = call("sacct", "--allocations", "--noheader", "--parsable2", f"--jobs={number}", f"--format={','.join(fields)}")
    return dict(zip(fields, text.splitlines()[0].split("|"), strict=True))


def queue() -> str:
    """The jobs that wait or run."""
    return call("squeue", "--noheader", "--format=%i %T %N %k")


class Study:
    """A clone of the repository with the micro study in it, and the runs of it.

    ``fresh``: what runs over Slurm are interpreters as a user's; otherwise processes that start with their imports done (see preloaded),
    as what runs without Slurm does in any case. ``missing``: results that a copy of a finished study lacks.
    """

    def __init__(self, folder: Path, *, fresh: bool = True, missing: Iterable[str] = (), **site: str):
        self.folder, self.run, self.fresh, self.missing = folder, None, fresh, list(missing)
        self.environment = {**os.environ, **SITE, **site, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def snakemake(self, *arguments: str, check: bool = True) -> str:
        """What ``snakemake <arguments>`` prints, run to its end."""
        with self.start(*arguments) as run:
            return run.end(check=check)

    def start(self, *arguments: str) -> "Run":
        """``snakemake <arguments>`` in the background, to be used in a ``with``, which ends it."""
        program = ["snakemake"] if self.fresh and "--profile" in arguments else [preloaded.interpreter(), "-m", "snakemake"]
        self.run = Run(self, [*program, "--nocolor", *arguments])
        return self.run

    def make(self) -> "Run":
        """``snakemake --profile slurm`` in the background, for what is missing if that is known."""
        return self.start("--profile", "slurm", *self.missing)

    def log(self, number: int) -> str:
        """What a Slurm job printed."""
        return next(self.folder.glob(f"logs/slurm/**/{number}.log")).read_text()

    def recover(self, *options: str) -> str:
        """What ``slurm/recover`` prints."""
        return call("slurm/recover", *options, cwd=self.folder, env=self.environment)

    def plan(self, name: str, fault: str) -> None:
        """Let the job of this name (``rule-wildcard-wildcard``) commit a fault, again where it did before; see faults.py."""
        (self.folder / "faults").mkdir(exist_ok=True)
        (self.folder / "faults" / f"{name}.taken").unlink(missing_ok=True)
        (self.folder / "faults" / name).write_text(fault)

    def wait_for(self, what: Callable[[], object], words: str):
        """As the function of this name, for what the last run of this folder brings about: fails at once where the run has ended."""

        def found():
            ended = self.run.process.poll() is not None  # asked first, so that what came last is still seen
            if not (value := what()) and ended:
                pytest.fail(f"the run ended before {words}\n{self.run.text()[-6000:]}")
            return value

        return wait_for(found, words)

    def held(self, name: str) -> int:
        """Wait until the job that was to hold does; its number in Slurm."""
        self.wait_for((self.folder / "faults" / f"{name}.taken").exists, f"{name} to hold")
        return self.attempts()[name][-1]

    def attempts(self, rule: str = "*") -> dict[str, list[int]]:
        """The Slurm jobs of each job of this folder, in order: the executor keeps one log for each."""
        found: dict[str, list[int]] = {}
        for log in sorted(self.folder.glob(f"logs/slurm/rule_{rule}/**/*.log"), key=lambda log: int(log.stem)):
            rule_name, *wildcards = log.parent.relative_to(self.folder / "logs/slurm").parts
            name = "-".join([rule_name.removeprefix("rule_"), *(part.replace("_", "-") for part in wildcards)])
            found.setdefault(name, []).append(int(log.stem))
        return found

    def tables(self) -> dict[str, str]:
        """The report's tables; where they are missing they are made on this machine, of the predictions that Slurm made."""
        if missing := [file for file in TABLES if not (self.folder / file).exists()]:
            assert all((self.folder / file).exists() for file in self.missing)
            self.snakemake("--cores", "2", *missing)
        return tables(self.folder)


class Run:
    """A main process of Snakemake in the background, in a session of its own, as in a terminal."""

    def __init__(self, study: Study, command: list[str]):
        self.log = study.folder.parent / f"{study.folder.name}-{time.monotonic_ns()}.txt"
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                command,
                cwd=study.folder,
                env=study.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # ignored where pytest is in the background
            )

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
            self.process.wait()

    def signal(self, number: int) -> None:
        """To the process and its children, as a terminal sends Ctrl-C."""
        os.killpg(self.process.pid, number)

    def end(self, check: bool = True, limit: float = RUN_LIMIT) -> str:
        """Wait for the end; what was printed. A run that hangs, or fails where ``check``, fails the test."""
        try:
            self.process.wait(limit)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the run did not end within {limit} s\n{self.text()[-6000:]}\nqueue:\n{queue()}")
        if check and self.process.returncode:
            pytest.fail(f"exit code {self.process.returncode}\n{self.text()[-8000:]}")
        return self.text()

    def text(self) -> str:
        return self.log.read_text()


def clone(folder: Path) -> Path:
    """A fresh copy of the repository with the micro study as its config."""
    for name in SOURCES:
        source, target = REPOSITORY / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)
    shutil.copy2(REPOSITORY / "tests/cluster/micro.yaml", folder / "config.yaml")
    return folder


@contextmanager
def full_disk(folder: Path):
    """A file system of 4 KiB over a folder; yields the function that takes it away, which also happens at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    call("mount", "-t", "tmpfs", "-o", "size=4k", "tiny", folder)

    def free() -> None:
        if os.path.ismount(folder):
            call("umount", "--lazy", folder)

    try:
        yield free
    finally:
        free()
