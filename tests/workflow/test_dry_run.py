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
    assert sum(found.values()) <= 150


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
    assert others == {"cifar10.yaml", "imagenet.yaml", "mnist.yaml", "photographs.yaml"}  # test_imagenet_study.py tests the second
    for name in others - {"imagenet.yaml"}:
        assert sum(jobs(tmp_path, config=REPOSITORY / "studies" / name).values()) > 10


def test_lint_finds_nothing(tmp_path):
    done = snakemake(tmp_path, "--lint", "json", config=None, check=False)
    findings = json.loads(done.stdout) if done.stdout.strip().startswith("{") else {}
    assert not findings, findings
    assert done.returncode == 0, done.stdout + done.stderr
