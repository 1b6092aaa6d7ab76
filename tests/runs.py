"""Runs the workflow as a user does, in a folder of its own, and reads what it says."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

import preloaded

REPOSITORY = Path(__file__).resolve().parents[1]
TINY = REPOSITORY / "tests/workflow/tiny.yaml"


def command(folder: Path, *arguments, repository: Path = REPOSITORY, config: Path | list[Path] | None = TINY) -> list[str]:
    """What a user would type to run ``repository`` in the working directory ``folder``."""
    words = [sys.executable, "-m", "snakemake", "--nocolor", "--snakefile", repository / "Snakefile", "--directory", folder]
    words += ["--configfile", *(config if isinstance(config, list) else [config])] if config else []
    return [str(word) for word in (*words, "--cores", 2, *arguments)]


def snakemake(
    folder: Path,
    *arguments,
    repository: Path = REPOSITORY,
    config: Path | list[Path] | None = TINY,
    check: bool = True,
    fresh: bool = False,
) -> subprocess.CompletedProcess:
    """Run snakemake on ``repository`` in the working directory ``folder``; returns the finished process with its text.

    ``config``: the study's file, or a list of it and what changes it. ``fresh``: Snakemake and each job are interpreters of their own, as a
    user's are; otherwise they start with what is slow to import (see preloaded).
    """
    words = command(folder, *arguments, repository=repository, config=config)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        if fresh:
            status = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=repository).returncode
        else:
            with open(os.devnull) as nothing:
                files = [nothing.fileno(), out.fileno(), err.fileno()]
                status = preloaded.run(words[1:], files, dict(os.environ), str(repository), jobs=True)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read())
    if check and status:
        pytest.fail(f"{' '.join(words)}\n{texts[0][-3000:]}\n{texts[1][-8000:]}")
    return subprocess.CompletedProcess(words, status, *texts)


def start(folder: Path, *arguments, fresh: bool = False, **options) -> subprocess.Popen:
    """Run snakemake in the background, in a session of its own, in which it can be killed. Other arguments as of ``snakemake``."""
    words = command(folder, *arguments, **options)
    if not fresh:  # the jobs start with their imports done; they end with what Snakemake has started in their place
        program = "import sys; sys.executable = sys.argv.pop(1); from snakemake.cli import main; main()"
        words[1:3] = ["-c", program, preloaded.interpreter()]
    return subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def jobs(folder: Path, *arguments, **options) -> dict[str, int]:
    """How many jobs of each rule a dry run announces; without any it says that there is nothing to be done."""
    text = "".join((done := snakemake(folder, "--dry-run", *arguments, **options)).stdout) + done.stderr
    if "Nothing to be done" in text:
        return {}
    table = text[text.index("Job stats:") : text.index("total")]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.M)}


def write_study(path: Path, **changes) -> Path:
    """The tiny study with ``changes`` (``section__key=value`` goes into a section), as a config file at ``path``."""
    study = yaml.safe_load(TINY.read_text())
    for key, value in changes.items():
        *sections, last = key.split("__")
        place = study
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    return path


def table_files(folder: Path) -> list[Path]:
    """Every table of a study's report."""
    return [*sorted((folder / "results/reports/tables").glob("*.csv")), folder / "results/reports/claims.csv"]


def tables(folder: Path) -> dict[str, str]:
    """Their text by their names."""
    return {path.name: path.read_text() for path in table_files(folder)}


def check_modes(top: Path, folder: Path) -> None:
    """Every file and folder in ``top`` has at least the mode that this process, by its umask, gives to what it makes in ``folder``."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        Path(made, "file").touch()
        Path(made, "folder").mkdir()
        usual = {name: Path(made, name).stat().st_mode & 0o777 for name in ("file", "folder")}
    found = [path for path in top.rglob("*") if not path.is_symlink()]
    kept = [path for path in found if (want := usual["folder" if path.is_dir() else "file"]) & path.stat().st_mode != want]
    assert found and not kept, f"others cannot read {kept[:5]}"
