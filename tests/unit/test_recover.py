"""slurm/recover leaves a run alone that lives: here, in a Slurm job, or perhaps on another host."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

RECOVER = Path(__file__).resolve().parents[2] / "slurm/recover"


@pytest.fixture
def recover(tmp_path):
    """Calls it in a folder of which a run is noted, with programs in place of Slurm's and Snakemake; returns its text."""
    programs, folder = tmp_path / "bin", tmp_path / "study"
    programs.mkdir()
    (folder / ".snakemake/log").mkdir(parents=True)
    (folder / ".snakemake/log/a.log").write_text("SLURM run ID: run-7\n")
    called = tmp_path / "called"
    called.touch()

    def call(*options, squeue="", **noted):
        said = {"squeue": f'case "$*" in *--jobs=*) {squeue or "true"};; esac', "scancel": "true", "snakemake": "true"}
        for name, does in said.items():
            (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{called}\n{does}\n')
            (programs / name).chmod(0o755)
        (folder / ".snakemake/robustlens-run").write_text("".join(f"{name} {value}\n" for name, value in noted.items()))
        environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
        done = subprocess.run([RECOVER, *options, folder], env=environment, capture_output=True, text=True)
        names = [line.split()[0] for line in called.read_text().splitlines()]
        assert (done.returncode == 0) == ("scancel" in names and "snakemake" in names)  # all of it, or nothing
        return done.stdout + done.stderr

    return call


HERE, DEAD = platform.node(), 2**22 + 1  # no process has this number


def test_a_run_that_was_killed_here_is_recovered(recover):
    assert "no job of run run-7 is left" in recover(host=HERE, process=DEAD)


def test_a_run_of_another_host_is_left_alone_unless_it_is_lost(recover):
    said = recover(host="elsewhere", process=12, started="2026-01-01 10:00:00")
    assert "started 2026-01-01 10:00:00, may live on elsewhere: look there (ssh elsewhere ps -p 12)" in said and "--lost" in said
    assert "no job of run run-7 is left" in recover("--lost", host="elsewhere", process=12)


@pytest.mark.parametrize("options", [(), ("--lost",)])
def test_a_run_that_lives_here_is_left_alone(recover, tmp_path, options):
    with subprocess.Popen([sys.executable, "-c", "input()"], cwd=tmp_path / "study", stdin=subprocess.PIPE, text=True) as running:
        said = recover(*options, host=HERE, process=running.pid)
        running.communicate("\n")
    assert f"lives here (process {running.pid}): stop it with Ctrl-C first" in said


def test_a_run_in_a_slurm_job_is_left_alone_for_as_long_as_slurm_knows_it(recover):
    noted = {"host": "node3", "process": 12, "slurm_job": 40}
    assert "lives in Slurm job 40 (RUNNING)" in recover(squeue="echo RUNNING", **noted)
    assert "may live: squeue says of its job 40: slurm_load_jobs error: timeout" in recover(
        squeue="echo slurm_load_jobs error: timeout >&2; exit 1", **noted
    )
    assert "no job of run run-7 is left" in recover(squeue="echo Invalid job id specified >&2; exit 1", **noted)
