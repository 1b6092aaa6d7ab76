"""`make docs` in a fresh copy: the packages by their hashes, the site, no warning."""

import shutil
import subprocess

import pytest

from runs import REPOSITORY

LEFT_OUT = shutil.ignore_patterns(".*", "results", "logs", "benchmarks", "site", "tests", "__pycache__")


@pytest.mark.packages
def test_the_site_is_built_without_a_warning(tmp_path):
    shutil.copytree(REPOSITORY, tmp_path / "copy", ignore=LEFT_OUT)
    done = subprocess.run(["make", "docs"], cwd=tmp_path / "copy", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for page in (REPOSITORY / "docs").glob("*.md"):
        assert "<h1>" in (tmp_path / f"copy/site/{page.stem}.html").read_text(encoding="utf-8")
    broken = tmp_path / "copy/docs/limits.md"
    broken.write_text(broken.read_text() + "\n[nowhere](nowhere.md)\n")
    assert subprocess.run(["make", "docs"], cwd=tmp_path / "copy", capture_output=True).returncode
