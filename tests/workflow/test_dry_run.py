"""What a user sees before anything was built: the whole DAG, in seconds, for every target."""

import json
import re

import pytest
import yaml

from runs import REPOSITORY, jobs, snakemake

TARGETS = ["all", "stimuli", "models", "predictions", "activations", "neurons"]


@pytest.mark.parametrize("target", TARGETS)
def test_every_target(tmp_path, target):
    assert sum(jobs(tmp_path, target, config=None).values()) > 1


def test_the_miniature_is_shown_whole_and_is_small(tmp_path):
    found = jobs(tmp_path, config=None)
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    assert found["train_model"] == len(config["models"])
    assert found["write_page"] == found["judge_claims"] == 1
    assert sum(found.values()) <= 90


def test_no_rule_is_a_checkpoint():
    text = "".join(path.read_text() for path in (REPOSITORY / "rules").glob("*.smk"))
    assert not re.search(r"^\s*(checkpoint \w+:|checkpoints\.)", text, re.M) and re.search(r"^rule \w+:", text, re.M)


@pytest.mark.parametrize("option", ["--dag", "--rulegraph", "--filegraph"])
def test_graphs(tmp_path, option):
    text = snakemake(tmp_path, option, config=None).stdout
    assert text.startswith("digraph") and text.count("->") > 20


def test_each_rule_stands_once_in_the_rule_graph(tmp_path):
    text = snakemake(tmp_path, "--rulegraph", config=None).stdout
    names = [line.split('label = "')[1].split('"')[0] for line in text.splitlines() if 'label = "' in line]
    assert len(names) == len(set(names)) > 20


def test_other_studies(tmp_path):
    others = {path.name for path in (REPOSITORY / "studies").glob("*.yaml")}
    assert others == {"cifar10.yaml", "imagenet.yaml", "mnist.yaml", "photographs.yaml", "train-imagenet.yaml"}
    for name in others - {"imagenet.yaml", "train-imagenet.yaml"}:  # these want files; they have tests of their own
        assert sum(jobs(tmp_path, config=REPOSITORY / "studies" / name).values()) > 10


def test_lint_finds_nothing(tmp_path):
    done = snakemake(tmp_path, "--lint", "json", config=None, check=False)
    findings = json.loads(done.stdout) if done.stdout.strip().startswith("{") else {}
    assert not findings, findings
    assert done.returncode == 0, done.stdout + done.stderr


def test_runs_are_compared_only_where_that_is_asked(tmp_path):
    """This study's own results are made first; another folder must have its tables, or is refused by name."""
    first, second = tmp_path / "here", tmp_path / "there"
    lay = ["--config", f'compare={{"runs": {{"here": "results", "there": "{second}/results"}}}}']
    done = snakemake(first, "compare", "--dry-run", *lay, check=False)
    assert done.returncode == 1
    assert "compare.runs.there: expected the folder results of a finished study, got" in done.stdout + done.stderr
    assert "compare_runs" not in jobs(first, *lay)
    done = snakemake(first, "compare", "--dry-run", check=False)
    assert "compare.runs: expected two results folders or more" in done.stdout + done.stderr
