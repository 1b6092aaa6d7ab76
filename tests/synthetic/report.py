"""Figures and page of made-up results."""

from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

import draw_figures
import write_page
from robustlens.report import figures, page
from robustlens.report.results import RESOURCES, Results, read_cards, read_table, read_tables
from synthetic.files import Run

COMMAND = "snakemake --configfile a<b.yaml"


@cache
def reported(made: Path, study: str) -> Run:
    """Made-up results of a study of ``synthetic``, with figures, explorer and page by the scripts: one a session, for reading only."""
    import synthetic

    run = synthetic.make_results(made / study, getattr(synthetic, study)())
    draw(run)
    write_page.main(**page_of(run, run.page), study=run.study, command=COMMAND)
    return run


def page_of(run: Run, path: str) -> dict:
    """The files of write_page.py, for a page at ``path``."""
    inputs = {"claims": run.claims, "tables": run.tables, "figures": run.figures, "cards": run.cards}
    return inputs | {"page": path, "study_json": str(run.folder / "reports/study.json"), "latex": str(run.folder / "reports/latex")}


def draw(run: Run, *, lightly: bool = False) -> None:
    """Figures and explorer as draw_figures.py makes them; ``lightly``: figures as SVG alone, drawn once, without looking for a layout."""
    with pytest.MonkeyPatch.context() as patch:
        if lightly:
            patch.setattr(figures, "save_figure", save_lightly)
        draw_figures.main(**run.drawn_from, figures=run.figures, explorer=run.explorer, study=run.study)


@figures.styled
def save_lightly(figure: Figure, stem: Path) -> list[str]:
    figure.set_layout_engine("none")
    figure.savefig(f"{stem}.svg")
    return [f"{stem.name}.svg"]


def results_of(made: Run) -> Results:
    """The tables as the report reads them."""
    return Results(made.study, read_tables(made.tables))


def write(made: Run, *, results: Results | None = None, claims: pd.DataFrame | None = None) -> str:
    """The text of the page; of other ``results`` or ``claims`` than were made up, if given. The figures must be drawn."""
    wording, facts = (read_table(RESOURCES / f"{name}.csv", kind) for name, kind in (("claims", "wording"), ("published", "published")))
    claims = read_table(made.claims, "claims") if claims is None else claims
    target = made.folder / "written.html"
    page.write_page(
        target, results or results_of(made), claims, wording, facts, made.folder / "reports" / "figures", read_cards(made.cards)
    )
    return target.read_text(encoding="utf-8")
