"""What the pages of the report share: the look (style.css.j2), badges (style.html.j2), and how numbers are printed."""

from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

MARKS = {"supported": "✓", "contradicted": "✗", "undecided": "?", "not measured": "–"}


def render(template: Path, **values: object) -> str:
    """A page from its template; every name in it must be given. ``marks``, ``number`` and ``share`` are there in all of them."""
    environment = Environment(
        loader=FileSystemLoader(template.parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {"marks": MARKS, "number": number, "share": share}
    return environment.get_template(template.name).render(**values)


def number(value: Any) -> str:
    """Three significant digits, a true minus sign, a dash for nothing."""
    if value is None or pd.isna(value):
        return "–"
    text = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return text.replace("-", "−")


def share(value: Any) -> str:
    """A share as per cent with one decimal."""
    return "–" if value is None or pd.isna(value) else f"{100 * value:.1f}\u00a0%"
