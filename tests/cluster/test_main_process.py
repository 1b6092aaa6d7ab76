"""The main process is ended by Ctrl-C, then by kill -9, and a file is damaged meanwhile: three times the same command again."""

import shutil
import signal
from pathlib import Path

from slurm_runs import GATHERED, SUITE, Study, queue, wait_for

HELD = [f"predict-alexnet-s-generalisation-{shard:04d}" for shard in range(2)]


def slow_squeue(study: Study) -> Path:
    """Let squeue take five seconds where the study's main process calls it; the file that says that it does."""
    folder = study.folder / "slow"
    folder.mkdir()
    script = folder / "squeue"
    script.write_text(f'#!/bin/sh\ntouch "{folder}/asked"\nsleep 5\nrm "{folder}/asked"\nexec {shutil.which("squeue")} "$@"\n')
    script.chmod(0o755)
    study.environment["PATH"] = f"{folder}:{study.environment['PATH']}"
    return folder / "asked"


def test_interrupted_killed_and_damaged(slurm, copy_of, reference):
    study = copy_of("stopped", [0, 1])
    for name in HELD:
        study.plan(name, "hold")
    asked = slow_squeue(study)
    with study.make(GATHERED) as run:
        for name in HELD:
            study.held(name)
        study.wait_for(asked.exists, "the executor to ask for the job's state: a moment in which it does not count it as its own")
        run.signal(signal.SIGINT)
        run.end(check=False, limit=60)
        assert run.process.returncode
    wait_for(lambda: not queue(), "its jobs to be cancelled", 120)
    asked.with_name("squeue").unlink()

    study.plan(HELD[1], "hold")
    with study.make(GATHERED) as run:
        study.held(HELD[1])
        run.signal(signal.SIGKILL)
        run.process.wait()
    assert queue(), "a job that goes on without the main process"
    assert "no job of run" in study.recover()
    assert not queue()

    damaged = study.folder / SUITE / "shard-0002.parquet"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    said = study.snakemake("--profile", "slurm", "--retries", "0", GATHERED, check=False)
    assert f"{SUITE}/shard-0002.parquet: expected a complete Parquet file" in said
    damaged.unlink()  # as the documentation says
    study.snakemake("--profile", "slurm", GATHERED)
    assert study.tables() == reference.tables()
