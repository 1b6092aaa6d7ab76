"""A cluster without accounting: jobs are sent while the controller is away, one is cancelled, the controller is away again."""

import time

from slurm_runs import GATHERED, call, cluster

CANCELLED, HELD = (f"predict-alexnet-s-generalisation-{shard:04d}" for shard in range(2))


def test_cancelled_job_and_controller_away(slurm_without_accounting, copy_of, reference):
    study = copy_of("unaccounted", range(3), ROBUSTLENS_ACCOUNTING="0")
    study.plan(CANCELLED, "hold")
    study.plan(HELD, "hold")
    cluster("stop", "slurmctld")
    with study.make(GATHERED) as run:
        time.sleep(35)  # three vain submissions take less
        cluster("start", "slurmctld")
        call("scancel", study.held(CANCELLED))
        held = study.held(HELD)
        cluster("stop", "slurmctld")
        time.sleep(15)
        cluster("start", "slurmctld")
        call("scancel", held)
        run.end()
    attempts = study.attempts()
    assert {name for name, numbers in attempts.items() if len(numbers) > 1} == {CANCELLED, HELD}
    assert study.tables() == reference.tables()
