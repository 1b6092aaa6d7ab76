"""Print the path of the report and its headline numbers next to the values to expect: ``python workflow_scripts/show_headline.py``."""

import argparse
import sys
from pathlib import Path

import pandas as pd
import yaml

from robustlens.errors import InputError
from robustlens.report.headline import compared_with_expected
from robustlens.report.results import RESOURCES, Results, read_table, read_tables


def main(reports: str, config: str, expected: str) -> str:
    """The text to print, of a folder of reports (``results/reports``), the config behind it and a table of expected ranges."""
    try:
        study = yaml.safe_load(Path(config).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(config, "a study's config (YAML)", str(error).splitlines()[0]) from error
    folder = Path(reports)
    if not (folder / "tables").is_dir():
        raise InputError(folder / "tables", "the tables of a finished run", "no such folder", "run snakemake")
    results = Results(study, read_tables([str(folder / "tables")]))
    table = compared_with_expected(results, read_table(expected, "expected"))
    outside, known = (table["verdict"] == "OUTSIDE").sum(), (table["verdict"] != "").sum()
    lines = []
    for group, rows in table.groupby("group", sort=False):
        models = list(rows["model"].unique())
        lines.append(f"{group:<24}" + "".join(f"{model:<36}" for model in models).rstrip())
        for quantity, found in rows.groupby("quantity", sort=False):
            cells = {row.model: cell(row) for row in found.itertuples()}
            lines.append(f"  {quantity:<22}" + "".join(f"{cells.get(model, ''):<36}" for model in models).rstrip())
    judged = f"{known - outside} of {known} numbers are in the range to expect" if known else "No values to expect are known for this study"
    return "\n".join([*lines, f"{judged}. Report: {(folder / 'index.html').resolve()}"])


def cell(row) -> str:
    """A value, its n, the range to expect, and a mark where it is outside; of too few items the n alone."""
    if pd.isna(row.value):
        return f"too few, n {row.n}"
    expected = "" if pd.isna(row.low) else f" ({row.low:g} to {row.high:g}){' OUTSIDE' * (row.verdict == 'OUTSIDE')}"
    return f"{row.value:.3g}, n {row.n}{expected}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The headline numbers of a finished run, beside the values to expect.")
    parser.add_argument("reports", nargs="?", default="results/reports", help="folder of the report (results/reports)")
    parser.add_argument("--config", default="config.yaml", help="config of the study (config.yaml)")
    parser.add_argument("--expected", default=str(RESOURCES / "expected.csv"), help="table of expected ranges")
    arguments = parser.parse_args()
    try:
        print(main(arguments.reports, arguments.config, arguments.expected))
    except InputError as error:
        sys.exit(f"Error: {error}")
