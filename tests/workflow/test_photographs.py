"""Real photographs and a real ImageNet network, carried by registry packages, through the same workflow."""

import pandas as pd
import pytest

from runs import REPOSITORY, snakemake


@pytest.mark.packages
def test_photographs(tmp_path):
    snakemake(tmp_path, config=REPOSITORY / "studies/photographs.yaml")
    accuracy = pd.read_csv(tmp_path / "results/reports/tables/accuracy.csv").set_index("stimulus")
    assert accuracy.loc["clean", "n_images"] == 20
    assert accuracy.loc["clean", "top1"] >= 0.85  # 18 or 19 of 20: a working classifier
    assert accuracy.loc["pgd-3", "top1"] < 0.2  # and a standard one
    corrupted = accuracy[accuracy.index.str.startswith("imagenet-c-")]
    assert len(corrupted) == 15 and (corrupted["n_images"] == 20).all() and 0.2 < corrupted["top1"].mean() < accuracy.loc["clean", "top1"]
    assert (accuracy.loc[["edges", "stylized", "cue-conflict"], "n_images"] == 20).all() and accuracy.loc["stylized", "top1"] < 0.3
    assert 0 < accuracy.loc["silhouette", "n_images"] <= 20  # GrabCut does not find every object
    mce = pd.read_csv(tmp_path / "results/reports/tables/mce.csv").set_index("statistic")
    assert (
        mce.loc["mean-error", "value"] == pytest.approx(1 - corrupted["top1"].mean(), abs=1e-5)
        and mce.loc["mean-error", "n_corruptions"] == 15
    )
    claims = pd.read_csv(tmp_path / "results/reports/claims.csv")
    assert set(claims["verdict"]) == {"not measured"}
    assert "efficientnet-lite0" in (tmp_path / "results/reports/index.html").read_text()
