"""The files that other tools rely on, with their columns."""

import pandas as pd
import pytest

from runs import check_modes, snakemake

COLUMNS = {
    "claims": "claim,architecture,statistic,standard,robust,difference,low,high,n,verdict",
    "tables/accuracy": "model,stimulus,n_images,top1,low,high",
    "tables/shape_bias": "model,n_images,n_decided,shape,texture,shape_bias,low,high",
    "tables/total_variation": "model,layer,statistic,n_units,mean,low,high",
    "tables/dissection": "model,layer,category,n_units,share",
    "tables/complexity": "model,layer,threshold,n_units,mean,low,high",
    "tables/ablation": "model,layer,category,n_units,shape_score,texture_score,shape_rate,texture_rate",
}


def test_all_that_is_made_may_be_read_by_whom_the_umask_lets(tiny_study):
    """A colleague, of the weights too, which safetensors writes for their owner alone."""
    check_modes(tiny_study / "results", tiny_study)


@pytest.mark.parametrize("name", COLUMNS)
def test_tables(tiny_study, name):
    table = pd.read_csv(tiny_study / f"results/reports/{name}.csv")
    assert ",".join(table.columns) == COLUMNS[name]
    assert len(table)


def test_every_claim_has_a_verdict(tiny_study):
    claims = pd.read_csv(tiny_study / "results/reports/claims.csv")
    assert set(claims["claim"]) == {f"C{number}" for number in range(1, 13)}
    assert set(claims["verdict"]) <= {"supported", "contradicted", "undecided", "not measured"}


def test_dissection_shares_add_up(tiny_study):
    table = pd.read_csv(tiny_study / "results/reports/tables/dissection.csv")
    assert table.groupby(["model", "layer"])["share"].sum().round(9).eq(1).all()


def test_the_page_stands_alone(tiny_study):
    page = (tiny_study / "results/reports/index.html").read_text()
    assert 'src="http' not in page and 'href="http' not in page.replace('href="https://arxiv.org', "")
    assert all(f"C{number}" in page for number in range(1, 13))


def test_snakemake_report(tiny_study, tmp_path):
    snakemake(tiny_study, "--report", tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size > 100_000
