"""`make run` and `make .venv/installed` where the shell, its environment or the folder are not as they were: they work, and run here.

A clone is imitated: the workflow's files, and a .venv whose packages are those of the tests and whose commands name a place that is gone.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runs import REPOSITORY, snakemake

MANIFEST = "results/stimuli/clean/manifest.parquet"
PARTS = ("Makefile", "Snakefile", "config.yaml", "rules", "workflow_scripts", "schemas", "envs", "profiles", "resources", "slurm")
GONE = "/gone/before/.venv"
NOWHERE = "/proc/none"  # where not even root can make a folder


def make(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    """make, started as from a shell of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS", "SNAKEMAKE", "XDG", "MPL"))}
    return subprocess.run(["make", *words], cwd=folder, env=kept | environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("entry") / "renamed clone"
    for name in PARTS:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        folder.mkdir(exist_ok=True)
        copy(REPOSITORY / name, folder / name)
    venv = Path(sys.prefix).resolve()
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/lib").symlink_to(venv / "lib")
    (folder / ".venv/bin/python").symlink_to(os.path.realpath(sys.executable))
    files = [path for path in (venv / "bin").iterdir() if not path.is_symlink() and path.stat().st_size < 100_000]
    for path in [*files, venv / "pyvenv.cfg"]:
        target = folder / ".venv" / path.relative_to(venv)
        target.write_bytes(path.read_bytes().replace(str(venv).encode(), GONE.encode()))
        shutil.copymode(path, target)
    (folder / ".venv/installed").touch()
    return folder


@pytest.fixture
def foreign(tmp_path) -> str:
    """A folder with another pandas, which is broken, and another cv2."""
    for name, text in (("pandas", "raise ImportError('of another Python')"), ("cv2", "")):
        (tmp_path / "foreign" / name).mkdir(parents=True)
        (tmp_path / "foreign" / name / "__init__.py").write_text(text)
    return str(tmp_path / "foreign")


def test_run_works_in_a_clone_that_was_renamed_without_a_home_or_a_place_for_temporary_files(clone):
    """Also where a path has a space, and in a language that is not there. Nothing is written elsewhere."""
    done = make(clone, "run", f"ARGS={MANIFEST}", HOME=NOWHERE, TMPDIR=NOWHERE, LC_ALL="xx_XX", CONDA_PREFIX=NOWHERE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (clone / MANIFEST).is_file() and (clone / ".snakemake/cache/snakemake").is_dir()


def test_another_pythons_settings_reach_neither_run_nor_its_jobs(clone, foreign):
    script, seen = clone / "workflow_scripts/render_source.py", clone / "seen"
    tell = f"pathlib.Path({str(seen)!r}).write_text(' '.join(name for name in os.environ if name.startswith('PYTHON')))"
    script.write_text(f"{script.read_text()}\nimport os, pathlib\n{tell}\n")
    settings = {"PYTHONPATH": foreign, "PYTHONHOME": NOWHERE, "PYTHONSAFEPATH": "1", "PYTHONWARNINGS": "error"}
    done = make(clone, "run", f"ARGS=--forcerun render_source -- {MANIFEST}", **settings)
    assert done.returncode == 0 and seen.read_text() == "", done.stdout + done.stderr


def test_run_runs_here_whatever_profile_a_shell_has_set(clone):
    done = make(clone, "run", "ARGS=--dry-run --quiet host -- results/stimuli/cue-conflict/shard-0000.parquet", SNAKEMAKE_PROFILE="slurm")
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "rule render_source" in said and "slurm" not in said, said


def test_after_a_move_what_a_page_says_of_activate_works(clone, tmp_path):
    """In a path without a space, which a script's first line could not name."""
    folder = shutil.copytree(clone, tmp_path / "moved", symlinks=True)
    assert make(folder, "run", "ARGS=--version").returncode == 0
    said = subprocess.run(
        ["bash", "-c", "source .venv/bin/activate && command -v snakemake && snakemake --version"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert said.stdout.splitlines()[:1] == [str(folder / ".venv/bin/snakemake")] and said.returncode == 0, said.stderr
    assert (folder / ".venv/bin/snakemake").read_text().startswith(f"#!{folder}/.venv/bin/python\n")
    again = subprocess.run([".venv/bin/python", "envs/moved.py"], cwd=folder, capture_output=True, text=True, check=True)
    assert again.stdout == ""


def test_packages_go_into_the_clone_whatever_pip_and_python_are_set_to(tmp_path, foreign):
    """No package is installed: the lock is empty."""
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs/lock.txt").touch()
    habits = {"PIP_USER": "1", "PIP_TARGET": str(tmp_path / "else"), "HOME": NOWHERE, "TMPDIR": NOWHERE}
    done = make(tmp_path, ".venv/installed", PYTHONPATH=foreign, PYTHONHOME=NOWHERE, **habits)
    assert done.returncode == 0 and (tmp_path / ".venv/bin/python").exists(), done.stdout + done.stderr
    assert make(tmp_path, ".venv/installed").stdout == "make: '.venv/installed' is up to date.\n"
    (tmp_path / ".venv/bin/python").unlink()
    (tmp_path / ".venv/bin/python").symlink_to("/gone/python3")
    assert "-m venv --clear .venv" in make(tmp_path, "--dry-run", ".venv/installed").stdout


def test_started_by_hand_a_package_that_pythonpath_hides_is_named(tmp_path, foreign, monkeypatch):
    """Jobs would compute with it. One that keeps Snakemake itself from starting, as the other pandas does, is named by Python."""
    shutil.rmtree(Path(foreign) / "pandas")
    monkeypatch.setenv("PYTHONPATH", foreign)
    done = snakemake(tmp_path, "--dry-run", MANIFEST, check=False)
    expected = f"PYTHONPATH: expected no folder that hides a package of this environment, got {foreign}, which has a cv2 of its own; unset"
    said = done.stdout + done.stderr
    assert done.returncode and expected in said and "Traceback" not in said
