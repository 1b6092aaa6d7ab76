"""The tables of the report in LaTeX: one ``tabular`` a file, to be read in by ``\\input`` under ``\\usepackage{booktabs}``."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from robustlens.files import replacing

ESCAPED = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", **{mark: f"\\{mark}" for mark in "&%$#_{}"}}
ESCAPED |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "\n": " ", "\r": " "}
ESCAPED |= {"[": "{[}", "*": "{*}"}  # at the beginning of a row LaTeX would take them for an option of the line break above


def write_latex(tables: dict[str, pd.DataFrame], folder: Path) -> None:
    """Write ``<name>.tex`` of every table into ``folder``, all rows and columns, in their order."""
    with replacing(folder) as temporary:
        temporary.mkdir()
        for name, table in tables.items():
            (temporary / f"{name}.tex").write_text(tabular(table), encoding="utf-8")


def tabular(table: pd.DataFrame) -> str:
    """A table in booktabs' style; columns of numbers stand right."""
    sides = ["r" if is_numeric_dtype(kind) and not is_bool_dtype(kind) else "l" for kind in table.dtypes]
    rows = [" & ".join(cell(value) for value in row) + r" \\" for row in table.itertuples(index=False, name=None)]
    head = " & ".join(escape(str(name)) for name in table.columns) + r" \\"
    lines = [f"\\begin{{tabular}}{{{''.join(sides)}}}", r"\toprule", head, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def cell(value: Any) -> str:
    """Whole numbers as they are, others to three significant digits, from 1,000 on to units; a dash where there is none; text escaped."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "--"
    if isinstance(value, str | bool):
        return escape(str(value))
    if float(value).is_integer():
        return signed(f"{value:.0f}")
    digits, _, power = (f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}").partition("e")
    return f"${digits}\\times10^{{{int(power)}}}$" if power else signed(digits)


def signed(number: str) -> str:
    return f"${number}$" if number.startswith("-") else number


def escape(text: str) -> str:
    return "".join(ESCAPED.get(mark, mark) for mark in text)
