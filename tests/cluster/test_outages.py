"""Nodes that die or are taken away; a database and a controller that are not there for a while."""

import time

import pytest

from slurm_runs import accounted, call, cluster, job, wait_for

HELD = "predict-alexnet-s-generalisation-0001"
WITHOUT_GPUS = {"ROBUSTLENS_GPUS": "0", "ROBUSTLENS_GPU_PARTITION": "cpu"}  # as on a cluster that has none


@pytest.fixture(scope="module")
def preempted_and_lost(slurm, copy_of):
    """A study whose job is preempted, on the GPU nodes, and one whose node dies, on the others; both finished."""
    preempted = copy_of("preempted", [1], ROBUSTLENS_GPU_PARTITION="scavenger", ROBUSTLENS_PREEMPTIBLE="1")
    lost = copy_of("lost", [1], **WITHOUT_GPUS)
    for study in (preempted, lost):
        study.plan(HELD, "hold")
    with lost.make() as lost_run, preempted.make() as preempted_run:
        node = job(lost.held(HELD))["NodeList"]
        cluster("crash", node)
        try:
            victim = preempted.held(HELD)
            taken = job(victim)["NodeList"]
            call("sbatch", "--partition=gpu", f"--nodelist={taken}", "--exclusive", "--output=/dev/null", "--wrap=sleep 3")
            wait_for(lambda: job(victim)["Restarts"] == "1", "the job to be preempted")
            preempted_run.end()
            lost_run.end()
        finally:
            cluster("boot", node)
    return preempted, victim, lost, node


def test_a_preempted_job_runs_again(preempted_and_lost, reference):
    preempted, victim, *_ = preempted_and_lost
    assert preempted.attempts()[HELD] == [victim]  # Slurm put it back: one number, one submission
    assert accounted(victim)["State"] == "COMPLETED"
    assert preempted.tables() == reference.tables()


def test_jobs_of_a_lost_node_run_elsewhere(preempted_and_lost, reference):
    *_, lost, node = preempted_and_lost
    first, second = map(accounted, lost.attempts()[HELD])
    assert (first["State"], first["NodeList"]) == ("NODE_FAIL", node)
    assert second["State"] == "COMPLETED" and second["NodeList"] != node
    assert lost.tables() == reference.tables()


def test_database_and_controller_away(slurm, copy_of, reference):
    study = copy_of("away", [1], ROBUSTLENS_ACCOUNT="project")
    study.plan(HELD, "hold")
    log = study.folder / "logs/predict/alexnet-s_generalisation_0001.log"
    with study.make() as run:
        held = study.held(HELD)
        cluster("stop", "slurmdbd")
        try:
            time.sleep(5)
            call("scancel", held)
            again = study.wait_for(lambda: study.attempts()[HELD][1:], "the job to be sent again, without the database")[0]
            # A job that asks for its step while the controller is away fails, and is sent again; this one has its step.
            study.wait_for(lambda: log.exists() and f"Slurm job {again} " in log.read_text(), "the job to run")
            cluster("stop", "slurmctld")
            try:
                time.sleep(15)
            finally:
                cluster("start", "slurmctld")
        finally:
            cluster("start", "slurmdbd")
        run.end()
    assert {name: len(numbers) for name, numbers in study.attempts("predict").items()} == {HELD: 2}
    assert study.tables() == reference.tables()
