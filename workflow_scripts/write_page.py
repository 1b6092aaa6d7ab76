"""Write the report: one page that needs nothing else. And the config that it is of."""

from pathlib import Path

import robustlens.report.page as report
from robustlens.files import write_json
from robustlens.report.latex import write_latex
from robustlens.report.results import RESOURCES, Results, read_cards, read_table, read_tables


def main(
    claims: str,
    tables: list[str],
    figures: str,
    cards: list[str],
    page: str,
    study_json: str,
    latex: str,
    wording: str = "",
    published: str = "",
    *,
    study: dict,
    command: str = "",
) -> None:
    """``claims``: claims.csv; ``tables``: CSV files of results/reports/tables; ``figures``: the folder of draw_figures; ``cards``:
    card.json of the models; ``latex``: the folder for the tables in LaTeX; ``wording``, ``published``: resources/claims.csv and
    published.csv (those that ship, if empty); ``study``: the config; ``command``: what made the run.
    """
    results = Results(study, read_tables(tables))
    write_latex(results.tables, Path(latex))
    words = read_table(wording or RESOURCES / "claims.csv", "wording")
    write_json(study_json, study)
    facts = read_table(published or RESOURCES / "published.csv", "published")
    report.write_page(Path(page), results, read_table(claims, "claims"), words, facts, Path(figures), read_cards(cards), command)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
