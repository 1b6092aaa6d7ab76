"""Other shards, batches and cores, a training cut into jobs, a run that was killed, a second run: the same tables, byte for byte."""

import os
import signal
import subprocess
import sys
import time

from runs import REPOSITORY, snakemake, tables, write_study

BATCHES = [f"{rule}:batch_size=7" for rule in ("predict", "attack_images", "dump_activations", "ablate_units")]


def test_shards_batches_cores_and_a_kill_change_no_table(tiny_study, tmp_path):
    study = write_study(tmp_path / "study.yaml", images_per_shard=31, **{"training__standard__epochs_per_job": 1})
    folder = tmp_path / "run"
    folder.mkdir()
    command = [sys.executable, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile", "--directory", folder]
    command = [str(part) for part in (*command, "--configfile", study, "--cores", 3, "--set-resources", *BATCHES)]
    run = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 300
    while len(list(folder.glob("results/predictions/*/*/*.parquet"))) < 2 and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    assert run.poll() is None, "the run ended before it could be killed"
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    snakemake(folder, "--unlock", config=study)
    snakemake(folder, "--cores", 1, config=study)
    assert len(list(folder.glob("results/stimuli/clean/shard-*.parquet"))) == 2
    assert len(list(tiny_study.glob("results/stimuli/clean/shard-*.parquet"))) == 3
    expected, found = tables(tiny_study), tables(folder)
    assert expected.keys() == found.keys()
    assert {name for name in expected if expected[name] != found[name]} == set()
