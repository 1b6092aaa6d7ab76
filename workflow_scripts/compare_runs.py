"""Lay finished runs side by side: what moved beyond its interval, means over repeated runs, and a page of both."""

from pathlib import Path

import pandas as pd

from robustlens.report import comparison, comparison_page
from robustlens.report.tables import write_csv


def main(
    comparison_csv: str,
    changes_csv: str,
    quantities_csv: str,
    seeds_csv: str,
    settings_csv: str,
    page: str,
    *,
    runs: dict[str, list[str]],
    tables: list[str],
):
    """``runs``: group -> results folders that repeat one another; ``tables``: names of the tables that each must have."""
    read = comparison.read_runs(runs, tables)
    found = pd.concat([comparison.quantities(run) for run in read], ignore_index=True)
    changes = comparison.changes(found)
    made = {
        "comparison": comparison.comparison(read, changes),
        "changes": changes,
        "seeds": comparison.seeds(found),
        "settings": comparison.settings(read),
        "quantities": found.loc[found["table"] != "claims", comparison.QUANTITIES],
    }
    paths = {
        "comparison": comparison_csv,
        "changes": changes_csv,
        "seeds": seeds_csv,
        "settings": settings_csv,
        "quantities": quantities_csv,
    }
    for name, path in paths.items():
        write_csv(Path(path), made[name])
    comparison_page.write_page(Path(page), read, made)


if __name__ == "__main__":
    from robustlens.job import run_job

    run_job(main, snakemake)  # noqa: F821
