"""Other shards, batches and cores, a training cut into jobs, a run that was killed, a second run: the same tables, byte for byte."""

import os
import shutil
import signal
import subprocess
import sys
import time

from robustlens.store import open_store
from runs import REPOSITORY, snakemake, tables, write_study

BATCHES = [f"{rule}:batch_size=7" for rule in ("predict", "attack_images", "dump_activations", "ablate_units")]


def test_shards_batches_cores_and_a_kill_change_no_table(tiny_study, tmp_path):
    study = write_study(tmp_path / "study.yaml", images_per_shard=60, **{"training__standard__epochs_per_job": 1})
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
    assert len(list(folder.glob("results/stimuli/clean/shard-*.parquet"))) == 1
    assert len(list(tiny_study.glob("results/stimuli/clean/shard-*.parquet"))) == 2
    expected, found = tables(tiny_study), tables(folder)
    assert expected.keys() == found.keys()
    assert {name for name in expected if expected[name] != found[name]} == set()


def test_streamed_statistics_are_those_of_stored_activations(tiny_study, tmp_path):
    """The finished study, its neurons measured again with nothing stored; two units of R are kept all the same."""
    shutil.copytree(tiny_study, tmp_path / "run", symlinks=True)
    folder = tmp_path / "run"
    for name in ("activations", "neurons"):
        shutil.rmtree(folder / "results" / name)
    study = write_study(
        tmp_path / "study.yaml", activations__mode="streamed", activations__keep={"alexnet-r": [{"layer": "conv3", "units": [0, 2]}]}
    )
    snakemake(folder, "neurons", "activations", config=study)
    found = sorted(path.relative_to(folder) for path in folder.glob("results/neurons/**/*.*") if path.name != "thresholds.parquet")
    assert found == sorted(path.relative_to(tiny_study) for path in tiny_study.glob("results/neurons/**/*.*"))
    assert [name for name in found if (folder / name).read_bytes() != (tiny_study / name).read_bytes()] == []
    assert not list(folder.glob("results/counts/**/*.h5"))
    views = sorted(folder.glob("results/activations/*/*/view.h5"))
    assert {view.parts[-3] for view in views} == {"alexnet-r"} and len(views) == 3
    with open_store(views[0]) as store:
        assert store.layers == ["conv3"] and store.shape("conv3")[1] == 2
