"""studies/mnist.yaml: what it fetches, and a published pair, read from its files: accuracies on clean and attacked images are as known.

Drawn digits and LeNets of a known accuracy in the same files: test_real_formats.py.
"""

import pandas as pd
import pytest
import yaml
from scipy.stats import binom
from shipped import attacks

from runs import REPOSITORY, jobs, snakemake

STUDY = REPOSITORY / "studies/mnist.yaml"
CLEAN = {"lenet-s": 0.989, "lenet-r": 0.986}  # of the 10,000 test images, to a tenth of a percent
N = 200  # of them are attacked
PGD = {"lenet-s": {0.1: 0.84, 0.2: 0.22, 0.3: 0.008}, "lenet-r": {0.1: 0.966, 0.2: 0.960, 0.3: 0.936}}  # 40 steps
SHORTER = {  # than the study in what other studies' tests have
    "images_per_shard": 10_000,
    "sources": {"clean": {"n_images": N, "images_per_shard": N}},
    "suites": {"digits": ["clean", "gaussian-noise-0.2", "scrambled-4", "black-and-white", *(f"pgd-linf-{eps}" for eps in PGD["lenet-s"])]},
    "activations": {"n_images": N},
    "robustness": {"attack": None},
    "ablation": {"stimulus": None},
    "claims": {
        "cue_conflict": None,
        "scrambled": ["scrambled-4"],
        "texture_less": ["black-and-white"],
        "distortions": ["gaussian-noise-0.2"],
    },
}


def test_what_a_dry_run_announces(tmp_path):
    """Each package is fetched once, and there is a rule for every file."""
    found = jobs(tmp_path, config=STUDY)
    assert found["fetch_package"] == found["import_model"] == 2 and found["index_images"] == 1 + 2 and attacks(found) == 3 * 2 * 2


@pytest.mark.full
@pytest.mark.packages
def test_mnist(tmp_path):
    (tmp_path / "shorter.yaml").write_text(yaml.safe_dump(SHORTER))
    snakemake(tmp_path, config=[STUDY, tmp_path / "shorter.yaml"])
    accuracy = pd.read_csv(tmp_path / "results/reports/tables/accuracy.csv").set_index(["model", "stimulus"])
    for model, top1 in CLEAN.items():
        assert accuracy.loc[(model, "test"), "n_images"] == 10_000
        assert accuracy.loc[(model, "test"), "top1"] == pytest.approx(top1, abs=0.001)
        assert all(accuracy.loc[(model, f"pgd-linf-{eps}"), "n_images"] == N for eps in PGD[model])
    for eps, top1 in PGD["lenet-r"].items():
        # 99.8 % of samples of N images of a network with this accuracy lie within
        assert_within(accuracy.loc[("lenet-r", f"pgd-linf-{eps}"), "top1"], *binom.ppf([0.001, 0.999], N, top1) / N)
    for eps, top1 in PGD["lenet-s"].items():
        # an upper bound: how far this network falls is a matter of the attack, and advertorch's own one goes as far as the study's
        assert_within(accuracy.loc[("lenet-s", f"pgd-linf-{eps}"), "top1"], 0, binom.ppf(0.999, N, top1) / N)
    assert accuracy.loc[("lenet-s", "pgd-linf-0.2"), "top1"] < 0.05 < 0.9 < accuracy.loc[("lenet-r", "pgd-linf-0.2"), "top1"]
    claims = pd.read_csv(tmp_path / "results/reports/claims.csv").set_index(["claim", "statistic"])
    assert claims.loc[("C1", "accuracy under pgd-linf-0.3"), "verdict"] == "supported"
    units = pd.read_csv(tmp_path / "results/reports/tables/total_variation.csv")
    assert set(units["model"]) == set(CLEAN)


def assert_within(value, low, high):
    assert low <= value <= high, f"{value} is not within {low} and {high}"
