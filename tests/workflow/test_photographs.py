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
    claims = pd.read_csv(tmp_path / "results/reports/claims.csv")
    assert set(claims["verdict"]) == {"not measured"}
    assert "efficientnet-lite0" in (tmp_path / "results/reports/index.html").read_text()
