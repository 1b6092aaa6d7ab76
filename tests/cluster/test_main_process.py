"""The main process is ended by Ctrl-C, then by kill -9, and a file is damaged meanwhile: three times the same command again."""

import signal

from slurm_runs import GATHERED, SUITE, queue, wait_for

HELD = [f"predict-alexnet-s-generalisation-{shard:04d}" for shard in range(2)]


def test_interrupted_killed_and_damaged(slurm, copy_of, reference):
    study = copy_of("stopped", [0, 1])
    study.plan(HELD[0], "hold")
    with study.make(GATHERED) as run:
        study.held(HELD[0])
        run.signal(signal.SIGINT)
        run.end(check=False, limit=60)
        assert run.process.returncode
    wait_for(lambda: not queue(), "its jobs to be cancelled", 30)

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
