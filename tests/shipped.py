"""The shipped studies as they are, what a test changes of them, and the tables of one that is finished."""

from pathlib import Path

import pandas as pd
import yaml

from runs import REPOSITORY


def study(name: str) -> dict:
    """studies/<name>.yaml."""
    return yaml.safe_load((REPOSITORY / "studies" / f"{name}.yaml").read_text())


def merged(one: dict, other: dict) -> dict:
    """Both, as Snakemake merges a second config file into the first."""
    keys = {**one, **other}
    return {key: merged(one[key], other[key]) if key in one and key in other and isinstance(one[key], dict) else keys[key] for key in keys}


def table(folder: Path, name: str) -> pd.DataFrame:
    """A table of the report."""
    return pd.read_csv(folder / "results/reports/tables" / f"{name}.csv")


def attacks(found: dict[str, int]) -> int:
    """How many of the jobs that a dry run announces attack a shard of a network's images, with the curve over the radius or without."""
    return found.get("attack_images", 0) + found.get("attack_and_sweep", 0)
