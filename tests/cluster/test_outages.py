"""Nodes that die or are taken away, a database and a controller that are not there for a while."""

import time
from contextlib import contextmanager

import pytest

from slurm_runs import PREDICTED, accounted, call, cluster, job, wait_for

HELD = "predict-alexnet-s-generalisation-0001"
OTHERS = [f"predict-alexnet-s-generalisation-{shard}" for shard in ("0000", "0002")]
WITHOUT_GPUS = {"ROBUSTLENS_GPUS": "0", "ROBUSTLENS_GPU_PARTITION": "cpu"}  # as on a cluster that has none


@pytest.fixture(scope="module")
def preempted_and_lost(slurm, copy_of):
    """A study whose job is preempted, on the GPU nodes, and one whose node dies, on the others; finished, with numbers of the jobs."""
    preempted = copy_of("preempted", ROBUSTLENS_GPU_PARTITION="scavenger", ROBUSTLENS_PREEMPTIBLE="1")
    lost = copy_of("lost", **WITHOUT_GPUS)
    for study in (preempted, lost):
        study.plan(HELD, "hold")
    with lost.make(*PREDICTED) as lost_run, preempted.make(*PREDICTED) as preempted_run:
        victim = preempted.held(HELD)
        node = job(victim)["NodeList"]
        call("sbatch", "--partition=gpu", f"--nodelist={node}", "--exclusive", "--output=/dev/null", "--wrap=sleep 3")
        wait_for(lambda: job(victim)["Restarts"] == "1", "the job to be preempted")
        dead = job(lost.held(HELD))["NodeList"]
        cluster("crash", dead)
        try:
            lost_run.end()
        finally:
            cluster("boot", dead)
        preempted_run.end()
    return preempted, victim, lost, dead


def test_a_preempted_job_runs_again(preempted_and_lost, reference):
    preempted, victim, *_ = preempted_and_lost
    assert preempted.attempts()[HELD] == [victim]  # Slurm put it back: one number, one submission
    assert accounted(victim)["State"] == "COMPLETED"
    assert preempted.tables() == reference.tables()


def test_jobs_of_a_lost_node_run_elsewhere(preempted_and_lost, reference):
    *_, lost, dead = preempted_and_lost
    first, second = map(accounted, lost.attempts()[HELD])
    assert (first["State"], first["NodeList"]) == ("NODE_FAIL", dead)
    assert second["State"] == "COMPLETED" and second["NodeList"] != dead
    assert lost.tables() == reference.tables()


@contextmanager
def away(daemon: str):
    """A daemon is not there."""
    cluster("stop", daemon)
    try:
        yield
    finally:
        cluster("start", daemon)


def test_database_and_controller_away(slurm, copy_of, reference):
    study = copy_of("away", ROBUSTLENS_ACCOUNT="project")
    study.plan(HELD, "hold")
    with study.make(*PREDICTED) as run:
        held = study.held(HELD)
        wait_for(lambda: all(job(study.attempts()[name][0])["JobState"] == "COMPLETED" for name in OTHERS), "the other jobs to end")
        with away("slurmdbd"):
            call("scancel", held)
            wait_for(lambda: study.attempts()[HELD][1:], "the job to be sent again while the database is away")
            time.sleep(20)
        wait_for(lambda: job(study.attempts()[HELD][1])["JobState"] == "COMPLETED", "it to end")
        with away("slurmctld"):
            time.sleep(40)  # longer than three vain submissions take
        run.end()
    assert len(study.attempts()[HELD]) == 2
    assert study.tables() == reference.tables()


def test_controller_away_when_jobs_are_sent(slurm, copy_of, reference):
    study = copy_of("unsent")
    cluster("stop", "slurmctld")
    with study.make(*PREDICTED) as run:
        time.sleep(60)
        cluster("start", "slurmctld")
        run.end()
    assert study.tables() == reference.tables()
