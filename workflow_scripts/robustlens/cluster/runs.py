"""Which run holds a folder: its host, process and Slurm job, kept while it lasts, so that slurm/recover does not harm a run that lives."""

import os
import platform
import time
from contextlib import suppress
from pathlib import Path

from robustlens.files import write_text

RECORD = Path(".snakemake/robustlens-run")  # in the working directory: one `name value` a line, as slurm/recover reads it
LOCKED = "Error: Directory cannot be locked."  # how Snakemake's message begins


def record_run(slurm_job: str) -> None:
    """Note that this process runs the study in the working directory; ``slurm_job``: the one that it runs in, or nothing."""
    values = {"host": platform.node(), "process": os.getpid(), "slurm_job": slurm_job, "started": time.strftime("%Y-%m-%d %H:%M:%S")}
    with suppress(OSError, ValueError):  # no run fails for it
        write_text(RECORD, "".join(f"{name} {value}\n" for name, value in values.items() if value))


def forget_run() -> None:
    """The run of this process has ended."""
    if recorded_run().get("process") == str(os.getpid()):
        with suppress(OSError):
            RECORD.unlink(missing_ok=True)


def recorded_run() -> dict[str, str]:
    """What is noted of the run that is here, or was killed; nothing where none is known."""
    try:
        return dict(line.split(" ", 1) for line in RECORD.read_text(encoding="utf-8").splitlines() if " " in line)
    except (OSError, ValueError):
        return {}


def words_of_lock(message: object) -> object:
    """Snakemake's message that the folder is locked, with whose lock it is and what to do; any other as it is."""
    if not isinstance(message, str) or LOCKED not in message:
        return message
    run = recorded_run()
    where = f" in Slurm job {run['slurm_job']}" if "slurm_job" in run else ""
    whose = f"It is that of process {run.get('process')} on {run.get('host')}{where}, started {run.get('started')}.\n" if run else ""
    return (
        f"{message}\n{whose}If that run still goes on, wait for it, or end it with Ctrl-C where it runs. If it was killed: over Slurm, "
        "slurm/recover, which looks whether it lives, cancels the jobs that it left in the queue and unlocks (docs/cluster.md); "
        "otherwise snakemake --unlock."
    )
