"""Faults while a study runs: kills at any moment, two runs at once, clocks that are wrong, files that are half there.

The study is the smallest with every kind of file: shards, activations, counts, statistics, tables, a training in two jobs. What is
compared are the bytes of all results. ``ROBUSTLENS_KILLS`` in the environment is how many rounds of kills there are, 3 by itself.
"""

import ctypes
import hashlib
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from robustlens.store import open_store
from runs import REPOSITORY, command, jobs, snakemake, start, write_study

N_KILLS = int(os.environ.get("ROBUSTLENS_KILLS", 3))
MODEL = {"architecture": "robustlens.models.miniature:alexnet", "arguments": {"classes": 8, "width": 16}, "layers": ["conv1", "conv3"]}
MODEL |= {"mean": [0.5] * 3, "std": [0.25] * 3, "train": {"source": "train", "recipe": "standard"}}
NOISE = {"kind": "gaussian-noise", "sigma": 0.08, "preserves": "both"}
CHANGES = {
    "images_per_shard": 40,
    "sources__clean": {"kind": "embedded", "n_images": 40},
    "stimuli": {"noise": NOISE},
    "models": {"net": MODEL},
    "pairs": {},
    "controls": {},
    "suites": {"all": ["clean", "noise", "pgd-2"]},
    "activations": {"mode": "streamed", "keep": {"net": [{"layer": "conv3", "units": [0, 2]}]}, "noise": "noise", "n_images": 40},
    "training__standard__epochs_per_job": 1,
    "claims": {"adversarial": "pgd-2", "distortions": ["noise"]},
}
TARGETS = [
    "results/activations/net/clean/view.h5",
    "results/neurons/net/smoothness.parquet",
    "results/neurons/scenes/complexity.parquet",
    "results/predictions/net/predictions.parquet",
    "results/reports/tables/training.csv",
]
LOCKED = "Directory cannot be locked"


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    return write_study(tmp_path_factory.mktemp("study") / "study.yaml", **CHANGES)


@pytest.fixture(scope="module")
def undisturbed(study, tmp_path_factory) -> tuple[Path, list[subprocess.CompletedProcess]]:
    """The folder of a finished run, and what two others said that came while it ran: one that looks, one that runs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    run = start(folder, *TARGETS, config=study)
    while not list(folder.glob(".snakemake/locks/*")) and run.poll() is None:
        time.sleep(0.1)
    others = [snakemake(folder, *TARGETS, *more, config=study, check=False) for more in (["--dry-run"], [])]
    assert run.poll() is None, "the run ended before the others came"
    assert run.wait() == 0
    return folder, others


def processes(session: int) -> list[int]:
    """The living processes of a session, but for its first."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it ended just now
            continue
        if int(of) == session and state != "Z" and int(path.parent.name) != session:
            found.append(int(path.parent.name))
    return found


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every result; of a view that of its values, for HDF5 leaves bytes between its links as they happen to be."""
    found = {}
    for path in sorted((folder / "results").rglob("*")):
        if path.name == "view.h5":
            with open_store(path) as store:
                content = b"".join(values.tobytes() for layer in store.layers for _, values in store.blocks(layer))
        elif path.is_file() and not path.name.startswith("."):
            content = path.read_bytes()
        else:
            continue
        found[str(path.relative_to(folder))] = hashlib.sha256(content).hexdigest()
    return found


def test_kills_at_any_moment_change_nothing(undisturbed, study, tmp_path):
    """In turn: a job, the main process without its jobs, all of them; each time the run is taken up again."""
    draw = random.Random(0)
    sessions, killed = [], 0
    for number in range(N_KILLS):
        run = start(tmp_path, *TARGETS, config=study, fresh=True)
        sessions.append(run.pid)
        while not processes(run.pid) and run.poll() is None:
            time.sleep(0.05)
        time.sleep(draw.uniform(0, 3))
        if number % 3 == 0 and (found := processes(run.pid)):
            os.kill(draw.choice(found), signal.SIGKILL)
            killed += 1
            time.sleep(draw.uniform(0, 1))
        if run.poll() is None:
            (os.kill if number % 3 == 1 else os.killpg)(run.pid, signal.SIGKILL)
            killed += 1
        run.wait()
        snakemake(tmp_path, "--unlock", config=study)
    assert killed >= min(N_KILLS, 3), "the runs ended before they could be killed"
    snakemake(tmp_path, *TARGETS, config=study)
    assert not [process for session in sessions for process in processes(session)], "jobs of a killed run are still there"
    assert digests(tmp_path) == digests(undisturbed[0])
    assert jobs(tmp_path, *TARGETS, config=study) == {}


def test_of_two_runs_in_one_folder_the_second_is_refused(undisturbed):
    """The first one goes on: its digests are those that the other tests compare with. Looking is allowed."""
    look, second = undisturbed[1]
    assert look.returncode == 0 and "Job stats" in look.stdout + look.stderr
    assert second.returncode != 0 and LOCKED in second.stdout + second.stderr


def test_times_in_the_future_make_nothing_run_for_ever(undisturbed, study, tmp_path):
    """As after a clock that was a day ahead: finished work stays; a job that reads such a file is stopped, until the file is touched."""
    folder = shutil.copytree(undisturbed[0], tmp_path / "run", symlinks=True)
    ahead = [folder / "results" / name for name in ("stimuli/clean/shard-0000.parquet", "models/net/weights.safetensors")]
    for path in ahead:
        os.utime(path, (time.time() + 86400,) * 2)
    assert jobs(folder, *TARGETS, config=study) == {}
    (folder / "results/neurons/net/smoothness.parquet").unlink()
    done = snakemake(folder, *TARGETS, config=study, check=False)
    assert done.returncode and "has older modification time" in done.stderr and "shard-0000.parquet" in done.stderr
    for path in ahead:
        path.touch()
    snakemake(folder, *TARGETS, config=study)
    assert digests(folder) == digests(undisturbed[0])


def without_rights(folder: Path, study: Path) -> subprocess.CompletedProcess:
    """A run for which permissions count, though the user be root."""

    def give_up() -> None:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP

    words = command(folder, *TARGETS, config=study)
    return subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, preexec_fn=give_up)


@pytest.mark.parametrize("place", ["results", "results/predictions", ".snakemake"])
def test_a_folder_that_is_read_only_is_refused_before_anything_runs(undisturbed, study, tmp_path, place):
    folder = shutil.copytree(undisturbed[0], tmp_path / "run", symlinks=True)
    (folder / TARGETS[-1]).unlink()
    before = digests(folder)
    (folder / place).chmod(0o555)
    done = without_rights(folder, study)
    said = done.stdout + done.stderr
    assert (
        done.returncode and f"{place}: expected a folder to which this user may write, got one that is read-only; make it writable" in said
    )
    assert "Traceback" not in said
    (folder / place).chmod(0o755)
    assert digests(folder) == before


def test_a_file_in_the_place_of_the_results_is_refused(study, tmp_path):
    (tmp_path / "results").write_text("mine")
    done = snakemake(tmp_path, *TARGETS, config=study, check=False)
    assert done.returncode and "results: expected a folder, or nothing yet" in done.stderr
    assert (tmp_path / "results").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("activations/net/clean/shard-0000.h5", "activations/net/clean/view.h5"),
        ("stimuli/clean/shard-0000.parquet", "predictions/net/all/shard-0000.parquet"),
        ("predictions/net/all/shard-0000.parquet", "predictions/net/predictions.parquet"),
    ],
)
def test_half_a_file_under_its_name_stops_the_job_that_reads_it(undisturbed, study, tmp_path, name, target):
    """As a file system may leave it that lost its power. Deleted as the sentence says, it is made again, the same."""
    folder = shutil.copytree(undisturbed[0], tmp_path / "run", symlinks=True)
    damaged = folder / "results" / name
    os.truncate(damaged, damaged.stat().st_size // 2)
    done = snakemake(folder, "--forcerun", f"results/{target}", "--", f"results/{target}", config=study, check=False)
    said = done.stdout + done.stderr
    assert done.returncode and f"results/{name}: expected a complete" in said and "; delete it and run again" in said
    damaged.unlink()
    snakemake(folder, f"results/{target}", f"results/{name}", config=study)
    found = digests(folder)
    assert {f"results/{target}", f"results/{name}"} <= found.keys() and found.items() <= digests(undisturbed[0]).items()
