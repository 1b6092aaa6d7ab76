"""Tables in LaTeX: cells by hand, and that every line of a table is what booktabs and LaTeX take."""

import re

import numpy as np
import pandas as pd
import pytest

import synthetic
from robustlens.report.latex import cell, tabular, write_latex
from robustlens.report.results import read_tables

SPECIAL = re.compile(r"(?<!\\)[&%$#_{}~^]")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *[(800, "800"), (24.0, "24"), (0.123456, "0.123"), (-0.5, "$-0.5$"), (1234.56, "1235"), (np.nan, "--"), (True, "True")],
        *[
            (2.08956e-123, r"$2.09\times10^{-123}$"),
            ("a_b & 5 %", r"a\_b \& 5 \%"),
            ("\\~^", r"\textbackslash{}\textasciitilde{}\textasciicircum{}"),
        ],
        *[("24+24", "24+24"), (0.0, "0"), ("[1ex] *", "{[}1ex] {*}"), ("a\nb", "a b"), ("<|>", r"\textless{}\textbar{}\textgreater{}")],
    ],
)
def test_a_cell(value, text):
    assert cell(value) == text


def test_a_table_in_the_style_of_booktabs():
    table = pd.DataFrame({"model": ["s_1"], "n_images": [800], "top1": [0.98765]})
    lines = [r"\begin{tabular}{lrr}", r"\toprule", r"model & n\_images & top1 \\", r"\midrule", r"s\_1 & 800 & 0.988 \\"]
    assert tabular(table).splitlines() == [*lines, r"\bottomrule", r"\end{tabular}"]


def test_every_table_of_a_report_is_well_formed(tmp_path):
    tables = read_tables(synthetic.make_results(tmp_path).tables)
    write_latex(tables, tmp_path / "latex")
    assert {path.stem for path in (tmp_path / "latex").iterdir()} == set(tables)
    for name, table in tables.items():
        begin, top, head, middle, *rows, bottom, end = (tmp_path / "latex" / f"{name}.tex").read_text(encoding="utf-8").splitlines()
        assert re.fullmatch(r"\\begin{tabular}{[lr]+}", begin) and len(begin) == len(r"\begin{tabular}{}") + len(table.columns)
        assert (top, middle, bottom, end) == (r"\toprule", r"\midrule", r"\bottomrule", r"\end{tabular}")
        assert len(rows) == len(table)
        for row in (head, *rows):
            assert row.endswith(r" \\") and row.count(" & ") == len(table.columns) - 1
            text = re.sub(r"\$-?[\d.]+(\\times10\^{-?\d+})?\$| & ", "", row)
            assert not SPECIAL.search(text)
