"""A cluster without accounting: a run with a cancelled job, and a controller that is started again meanwhile."""

import time

from slurm_runs import PREDICTED, call, cluster

CANCELLED, HELD = (f"predict-alexnet-s-generalisation-{shard:04d}" for shard in range(2))


def test_cancelled_job_and_controller_away(slurm_without_accounting, copy_of, reference):
    study = copy_of("unaccounted", ROBUSTLENS_ACCOUNTING="0")
    study.plan(CANCELLED, "hold")
    study.plan(HELD, "hold")
    with study.make(*PREDICTED) as run:
        call("scancel", study.held(CANCELLED))
        held = study.held(HELD)
        cluster("stop", "slurmctld")
        try:
            time.sleep(20)
        finally:
            cluster("start", "slurmctld")
        call("scancel", held)
        run.end()
    attempts = study.attempts()
    assert {name for name, numbers in attempts.items() if len(numbers) > 1} == {CANCELLED, HELD}
    assert study.tables() == reference.tables()
