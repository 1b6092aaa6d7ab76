"""A cluster without accounting: a run with a cancelled job, and a controller that is away while jobs run."""

import time

from slurm_runs import call, cluster

CANCELLED, HELD = (f"predict-alexnet-s-generalisation-{shard:04d}" for shard in range(2))


def test_cancelled_job_and_controller_away(slurm_without_accounting, copy_of, reference):
    study = copy_of("unaccounted", range(2), ROBUSTLENS_ACCOUNTING="0")
    study.plan(CANCELLED, "hold")
    study.plan(HELD, "hold")
    log = study.folder / "logs/predict/alexnet-s_generalisation_0000.log"
    with study.make() as run:
        call("scancel", study.held(CANCELLED))
        held = study.held(HELD)
        again = study.wait_for(lambda: study.attempts()[CANCELLED][1:], "the job to be sent again")[0]
        # A job that asks for its step while the controller is away fails; this one has its step.
        study.wait_for(lambda: log.exists() and f"Slurm job {again} " in log.read_text(), "the job to run")
        cluster("stop", "slurmctld")
        try:
            time.sleep(20)
        finally:
            cluster("start", "slurmctld")
        call("scancel", held)
        run.end()
    assert {name: len(numbers) for name, numbers in study.attempts().items()} == {CANCELLED: 2, HELD: 2}
    assert study.tables() == reference.tables()
