"""The main process is ended by Ctrl-C, then by kill -9: each time the same command again."""

import platform
import shutil
import signal
from pathlib import Path

import pytest

from slurm_runs import Study, queue, wait_for

HELD = "predict-alexnet-s-generalisation-0000"


def slow_squeue(study: Study) -> Path:
    """Let squeue take five seconds where the study's main process calls it; the file that says that it does."""
    folder = study.folder / "slow"
    folder.mkdir()
    script = folder / "squeue"
    script.write_text(f'#!/bin/sh\ntouch "{folder}/asked"\nsleep 5\nrm "{folder}/asked"\nexec {shutil.which("squeue")} "$@"\n')
    script.chmod(0o755)
    study.environment["PATH"] = f"{folder}:{study.environment['PATH']}"
    return folder / "asked"


def test_interrupted_and_killed(slurm, copy_of, reference):
    study = copy_of("stopped", [0])
    study.plan(HELD, "hold")
    asked = slow_squeue(study)
    with study.make() as run:
        study.held(HELD)
        study.wait_for(asked.exists, "the executor to ask for the job's state: a moment in which it does not count it as its own")
        run.signal(signal.SIGINT)
        run.end(check=False, limit=120)
        assert run.process.returncode
    wait_for(lambda: not queue(), "its job to be cancelled", 120)
    asked.with_name("squeue").unlink()

    study.plan(HELD, "hold")
    with study.make() as run:
        study.held(HELD)
        run.signal(signal.SIGKILL)
        run.process.wait()
    assert queue(), "a job that goes on without the main process"
    record = study.folder / ".snakemake/robustlens-run"
    record.write_text(record.read_text().replace(f"host {platform.node()}", "host login2"))
    with pytest.raises(pytest.fail.Exception, match="may live on login2"):
        study.recover()
    assert queue()
    assert "no job of run" in study.recover("--lost")  # who calls it knows that login2 is gone
    assert not queue()

    with study.make() as run:
        run.end()
    assert study.tables() == reference.tables()
