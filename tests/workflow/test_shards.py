"""Other shards, batches and cores, a training cut into jobs, a run that was killed, a second run: the same tables, byte for byte."""

import os
import shutil
import signal
import time

from robustlens.store import open_store
from runs import snakemake, start, table_files, tables, write_study

BATCHES = [f"{rule}:batch_size=7" for rule in ("predict", "attack_images", "attack_and_sweep", "dump_activations", "ablate_units")]


def test_shards_batches_cores_and_a_kill_change_no_table(tiny_study, tmp_path):
    study = write_study(tmp_path / "study.yaml", images_per_shard=60, **{"training__standard__epochs_per_job": 1})
    folder, more = tmp_path / "run", ("--cores", 3, "--set-resources", *BATCHES)
    wanted = tables(tiny_study)
    run = start(folder, *more, config=study)
    deadline = time.monotonic() + 300
    while len(list(folder.glob("results/predictions/*/*/*.parquet"))) < 2 and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    assert run.poll() is None, "the run ended before it could be killed"
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    snakemake(folder, "--unlock", config=study)
    targets = [path.relative_to(tiny_study) for path in table_files(tiny_study)]
    snakemake(folder, "--cores", 1, *targets, config=study)
    assert len(list(folder.glob("results/stimuli/clean/shard-*.parquet"))) == 1
    assert len(list(tiny_study.glob("results/stimuli/clean/shard-*.parquet"))) == 2
    found = tables(folder)
    assert wanted.keys() == found.keys()
    assert {name for name in wanted if wanted[name] != found[name]} == set()


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
