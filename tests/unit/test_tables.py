"""CSV as the report prints it, and Parquet as it reads it."""

import numpy as np
import pandas as pd

from robustlens.report.tables import read_parquets, write_csv


def test_six_significant_digits_and_empty_cells(tmp_path):
    table = pd.DataFrame({"name": ["a, b", "c"], "n": [1234567, 2], "value": [1234.56789, np.nan], "small": [0.000012345678, 1.0]})
    write_csv(tmp_path / "new" / "table.csv", table)
    assert (tmp_path / "new" / "table.csv").read_text() == 'name,n,value,small\n"a, b",1234567,1234.57,1.23457e-05\nc,2,,1\n'


def test_a_last_bit_does_not_show(tmp_path):
    for name, value in (("a.csv", 0.1 + 0.2), ("b.csv", 0.3)):
        write_csv(tmp_path / name, pd.DataFrame({"value": [value]}))
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_tables_are_read_as_one(tmp_path):
    for model in "ab":
        pd.DataFrame({"model": [model] * 2, "unit": [0, 1]}).to_parquet(tmp_path / f"{model}.parquet")
    table = read_parquets([str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")])
    assert table["model"].tolist() == list("aabb") and table.index.tolist() == [0, 1, 2, 3]
    assert read_parquets([], ["model", "epoch"]).columns.tolist() == ["model", "epoch"]
