"""Write the report: one page that needs nothing else."""

from pathlib import Path

import robustlens.report.page as report
from robustlens.report.results import RESOURCES, Results, read_cards, read_table, read_tables


def main(claims: str, tables: list[str], figures: str, cards: list[str], page: str, wording: str = "", *, study: dict) -> None:
    """``claims``: claims.csv; ``tables``: CSV files of results/reports/tables; ``figures``: the folder of draw_figures; ``cards``:
    card.json of the models; ``wording``: resources/claims.csv (the one that ships, if empty); ``study``: the config.
    """
    results = Results(study, read_tables(tables))
    words = read_table(wording or RESOURCES / "claims.csv", "wording")
    report.write_page(Path(page), results, read_table(claims, "claims"), words, Path(figures), read_cards(cards))


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
