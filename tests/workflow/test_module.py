"""Another workflow uses this one as a module: from a clone, and from the address of a repository on a hosting service."""

import shutil
import subprocess

import pandas as pd
import pytest
import yaml

from runs import REPOSITORY, TINY, jobs, snakemake

OTHER = """
configfile: "study.yaml"

module robustlens:
    snakefile: {snakefile}
    config: config

use rule * from robustlens as lens_*
"""
OWN_RULE = """
rule verdicts:
    default_target: True
    input:
        "results/reports/claims.csv",
    output:
        "verdicts.csv",
    shell:
        "cut -d, -f1,2,10 {input} > {output}"
"""
WHERE = {"clone": f'"{REPOSITORY}/Snakefile"', "address": 'github("owner/robustlens", path="workflow/Snakefile", tag="v0.1.0")'}


@pytest.fixture
def published(clone, tmp_path, monkeypatch):
    """The working tree as a tagged repository, where Snakemake keeps its copies of hosted ones: nothing is fetched."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    hosted = tmp_path / "cache/snakemake/snakemake/source-cache/snakemake-git-cache/github.com/owner/robustlens"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(clone)]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"], ["tag", "v0.1.0"], ["clone", "-q", "--bare", ".", str(hosted)]):
        subprocess.run([*git, *command], check=True)
    shutil.rmtree(clone)


def other_workflow(folder, where, own=""):
    folder.mkdir()
    (folder / "Snakefile").write_text(OTHER.format(snakefile=WHERE[where]) + own)
    shutil.copy(TINY, folder / "study.yaml")
    return {"repository": folder, "config": None}


def test_from_a_clone_beside_an_own_rule(tmp_path):
    """Only what the own rule needs is planned, and a job runs with this clone's script, library and tables."""
    use = other_workflow(tmp_path / "other", "clone", OWN_RULE)
    planned = jobs(tmp_path / "other", **use)
    assert planned["verdicts"] == planned["lens_judge_claims"] == 1 and "lens_write_page" not in planned
    assert all(name.startswith("lens_") for name in planned if name != "verdicts")
    snakemake(tmp_path / "other", "results/stimuli/clean/manifest.parquet", **use)
    wanted = yaml.safe_load(TINY.read_text())["sources"]["clean"]["n_images"]
    assert len(pd.read_parquet(tmp_path / "other/results/stimuli/clean/manifest.parquet")) == wanted


def test_from_an_address(tmp_path, published):
    """The whole study is planned, the same jobs as here; the commit was unpacked, with the library beside the scripts."""
    use = other_workflow(tmp_path / "other", "address")
    planned = jobs(tmp_path / "other", **use)
    here = jobs(tmp_path / "here")
    assert planned == {f"lens_{name}": count for name, count in {**here, "robustlens": 1}.items() if name != "all"}
    snakemake(tmp_path / "other", "results/stimuli/clean/manifest.parquet", **use)
    (unpacked,) = (tmp_path / "other/.snakemake/robustlens").iterdir()
    assert (unpacked / "workflow_scripts/robustlens/study.py").is_file() and not (unpacked / ".git").exists()
    assert (tmp_path / "other/results/stimuli/clean/manifest.parquet").is_file()


def test_what_snakedeploy_copies_is_a_whole_study(tmp_path):
    shutil.copytree(REPOSITORY / "config", tmp_path / "config")
    assert (tmp_path / "config/config.yaml").read_text() == (REPOSITORY / "config.yaml").read_text()
    flags = yaml.safe_load((REPOSITORY / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert set(flags) == {"mandatory-flags", "software-stack-deployment"}
