"""Figures and page of made-up results."""

import pandas as pd

from robustlens.report import gallery, page
from robustlens.report.figures_top_images import TopPictures
from robustlens.report.results import RESOURCES, Results, read_cards, read_table, read_tables
from robustlens.report.tables import read_parquets
from synthetic.files import Run


def draw(made: Run) -> dict:
    """Draw every figure that the results have data for; returns their index."""
    results = results_of(made)
    inputs = gallery.Inputs(
        results,
        gallery.open_pictures(made.shards, made.weights),
        read_parquets(made.smoothness, ["model", "n_images"]),
        read_parquets(made.top_images, ["model"]),
        TopPictures(made.drawn_from["dumped"], made.units, made.top_maps),
    )
    return gallery.draw_gallery(inputs, made.folder / "reports" / "figures")


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
