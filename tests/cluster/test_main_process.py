"""The main process is ended by Ctrl-C and by kill -9; and a file is damaged behind its back."""

import shutil
import signal

from slurm_runs import PREDICTED, queue, wait_for

SHARDS = "results/predictions/alexnet-s/generalisation"
HELD = [f"predict-alexnet-s-generalisation-{shard:04d}" for shard in range(2)]


def test_interrupted_and_killed(slurm, copy_of, reference):
    study = copy_of("stopped")
    study.plan(HELD[0], "hold")
    with study.make(*PREDICTED) as run:
        study.held(HELD[0])
        run.signal(signal.SIGINT)
        run.end(check=False, limit=60)
        assert run.process.returncode
    wait_for(lambda: not queue(), "its jobs to be cancelled", 30)

    study.plan(HELD[1], "hold")
    with study.make(*PREDICTED) as run:  # the same command again, nothing between
        study.held(HELD[1])
        run.signal(signal.SIGKILL)
        run.process.wait()
    assert queue(), "a job that goes on without the main process"

    assert "no job of run" in study.recover()
    assert not queue()
    study.snakemake("--profile", "slurm", *PREDICTED)
    assert study.tables() == reference.tables()


def test_a_damaged_shard_is_named_and_made_again(slurm, copy_of, reference):
    study = copy_of("damaged")
    shutil.copytree(reference.folder / SHARDS, study.folder / SHARDS)
    shard = study.folder / SHARDS / "shard-0001.parquet"
    shard.write_bytes(shard.read_bytes()[:1000])
    said = study.snakemake("--profile", "slurm", "--retries", "0", *PREDICTED, check=False)
    assert f"{SHARDS}/shard-0001.parquet: expected a complete Parquet file" in said
    shard.unlink()  # what the documentation says
    study.snakemake("--profile", "slurm", *PREDICTED)
    assert {name for name in study.attempts("predict")} == {HELD[1]}
    assert study.tables() == reference.tables()
