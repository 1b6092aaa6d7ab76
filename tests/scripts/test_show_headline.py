"""The command that ends ``make run``."""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import show_headline
import synthetic
from robustlens.errors import InputError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def reports(tmp_path_factory) -> Path:
    return synthetic.make_results(tmp_path_factory.mktemp("run")).folder / "reports"


def expected(folder: Path, *rows: str) -> str:
    path = folder / "expected.csv"
    path.write_text("\n".join(["study,model,statistic,low,high,source", *rows]) + "\n")
    return str(path)


def test_marks_a_value_outside_its_range(reports, tmp_path):
    rows = ("embedded,alexnet-s,shape-bias,0.1,0.3,x", "embedded,alexnet-r,shape-bias,0.1,0.3,x")
    text = show_headline.main(str(reports), str(ROOT / "config.yaml"), expected(tmp_path, *rows))
    line = next(line for line in text.splitlines() if "shape-bias" in line)
    assert line.split()[1:7] == ["0.2,", "n", "700", "(0.1", "to", "0.3)"]
    assert line.endswith("0.88, n 700 (0.1 to 0.3) OUTSIDE")
    assert "1 of 2 numbers" in text
    assert str((reports / "index.html").resolve()) in text


def test_a_study_without_known_values_prints_its_numbers(reports, tmp_path):
    text = show_headline.main(str(reports), str(ROOT / "config.yaml"), expected(tmp_path))
    assert "No values to expect are known" in text
    assert "OUTSIDE" not in text


def test_too_few_decisions_are_no_number(reports, tmp_path):
    """A shape bias of 60 % of 5 decided images is no finding: the n alone is printed, and nothing is judged by it."""
    folder = tmp_path / "reports"
    shutil.copytree(reports / "tables", folder / "tables")
    table = pd.read_csv(folder / "tables" / "shape_bias.csv")
    table.loc[table["model"] == "alexnet-s", ["n_decided", "shape_bias"]] = 5, 0.6
    table.to_csv(folder / "tables" / "shape_bias.csv", index=False)
    rows = ("embedded,alexnet-s,shape-bias,0.1,0.3,x", "embedded,alexnet-r,shape-bias,0.8,0.9,x")
    text = show_headline.main(str(folder), str(ROOT / "config.yaml"), expected(tmp_path, *rows))
    line = next(line for line in text.splitlines() if "shape-bias" in line)
    assert line.split()[:5] == ["shape-bias", "too", "few,", "n", "5"] and "1 of 1 numbers" in text


def test_ranges_that_ship_name_models_and_quantities_of_the_study(reports, tmp_path):
    text = show_headline.main(str(reports), str(ROOT / "config.yaml"), str(ROOT / "resources" / "expected.csv"))
    known = len((ROOT / "resources" / "expected.csv").read_text().splitlines()) - 1
    assert f" of {known} numbers" in text


def test_missing_tables_are_one_sentence(tmp_path):
    with pytest.raises(InputError, match="tables: expected the tables of a finished run, got no such folder; run snakemake"):
        show_headline.main(str(tmp_path), str(ROOT / "config.yaml"), str(ROOT / "resources" / "expected.csv"))


def test_command_line(reports, tmp_path):
    command = [sys.executable, "workflow_scripts/show_headline.py"]
    done = subprocess.run([*command, str(reports)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "shape-bias" in done.stdout
    done = subprocess.run([*command, str(tmp_path / "nothing")], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("Error: ") and "Traceback" not in done.stderr
