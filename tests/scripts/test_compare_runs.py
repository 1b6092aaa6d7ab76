"""The script that lays runs side by side, on made-up results."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

import compare_runs
import synthetic
from robustlens.errors import InputError
from robustlens.report import comparison

NAMES = ("comparison", "changes", "quantities", "seeds", "settings")
TABLES = ["accuracy", "shape_bias", "total_variation", "complexity", "concept_shift", "training"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> synthetic.Run:
    return synthetic.make_results(tmp_path_factory.mktemp("run"), synthetic.small_study())


@pytest.fixture
def folders(tmp_path, run) -> list[str]:
    """Three results folders: equal ones, but for the seed, and for the robust network's shape bias in the second."""
    made = [str(tmp_path / f"seed{seed}") for seed in range(3)]
    for seed, folder in enumerate(made):
        shutil.copytree(run.folder / "reports", Path(folder, "reports"))
        Path(folder, "reports/study.json").write_text(json.dumps({**run.study, "seed": seed}))
    path = Path(made[1], "reports/tables/shape_bias.csv")
    table = pd.read_csv(path)
    table.loc[table["model"] == "alexnet-r", ["shape_bias", "low", "high"]] = [0.2, 0.17, 0.23]
    table.to_csv(path, index=False)
    claims = pd.read_csv(Path(made[1], "reports/claims.csv"))
    claims.loc[claims["claim"] == "C2", ["difference", "low", "high", "verdict"]] = [-0.1, -0.2, 0.0, "undecided"]
    claims.to_csv(Path(made[1], "reports/claims.csv"), index=False)
    return made


def compare(folder: Path, runs: dict) -> dict[str, pd.DataFrame]:
    """Run the script; its tables."""
    paths = [str(folder / f"{name}.csv") for name in NAMES]
    compare_runs.main(*paths, str(folder / "index.html"), runs=runs, tables=TABLES)
    return {name: pd.read_csv(folder / f"{name}.csv", dtype={"moved": str}) for name in NAMES}


def test_one_run_against_another(tmp_path, folders):
    found = compare(tmp_path / "out", {"first": folders[:1], "second": folders[1:2]})
    changes = found["changes"]
    assert list(changes[changes["moved"] == "true"]["quantity"]) == ["C2 | alexnet | statistic of C2", "alexnet-r"]
    assert found["settings"].to_numpy().tolist() == [["seed", "first", 0], ["seed", "second", 1]]
    assert found["seeds"].empty
    columns = {name: list(table.columns) for name, table in found.items()}
    assert columns == {name: getattr(comparison, name.upper()) for name in NAMES}
    page = (tmp_path / "out/index.html").read_text()
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "From first to second, 1 of 11 differences R − S of the claims moved beyond their interval" in text
    assert "(about 0.55 would by chance alone); with another verdict: 1." in text and "another verdict" in text
    assert 'src="' not in page and "http" not in page


def test_repeated_runs_and_the_same_bytes_each_time(tmp_path, folders):
    for name in ("one", "two"):
        found = compare(tmp_path / name, {"seeds": folders})
    assert found["changes"].empty
    bias = found["seeds"].set_index(["table", "quantity"]).loc[("claims", "C2 | alexnet | statistic of C2")]
    assert (bias["n_runs"], bias["supported"], bias["undecided"]) == (3, 2, 1)
    assert bias["mean"] == pytest.approx((0.6 - 0.1 + 0.6) / 3, abs=1e-5)
    page = (tmp_path / "one/index.html").read_text()
    assert "The 3 runs of seeds agree on 10 of 11 verdicts." in page
    assert all((tmp_path / "one" / path.name).read_bytes() == path.read_bytes() for path in (tmp_path / "two").iterdir())


def test_repeated_runs_against_one(tmp_path, folders):
    found = compare(tmp_path / "out", {"seeds": folders[:2], "other": folders[2:]})
    assert set(found["changes"]["basis"]) == {comparison.MIXED}
    assert list(found["comparison"]["run"].unique()) == ["seeds-1", "seeds-2", "other"]


def test_a_folder_that_lacks_a_table_is_refused(tmp_path, folders):
    Path(folders[2], "reports/tables/accuracy.csv").unlink()
    with pytest.raises(InputError, match=r"seed2/reports/tables/accuracy.csv: expected a CSV table, got .*No such file"):
        compare(tmp_path / "out", {"a": folders[:1], "b": folders[2:]})


def test_a_table_with_other_columns_is_refused(tmp_path, folders):
    path = Path(folders[1], "reports/tables/accuracy.csv")
    pd.read_csv(path).assign(more=1).to_csv(path, index=False)
    with pytest.raises(
        InputError, match=r"seed1/reports/tables/accuracy.csv: expected the columns of a \(model, .*\), got model, .*, more"
    ):
        compare(tmp_path / "out", {"a": folders[:1], "b": folders[1:2]})
