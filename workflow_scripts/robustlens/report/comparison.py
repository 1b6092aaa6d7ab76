"""Runs side by side: what moved beyond its interval from one to another, and means over runs that repeat one another.

A run is the results folder of a finished study. Runs stand in groups: one run, or several that differ only by chance (other seeds,
other checkpoints of a recipe). Every group is held against the first one. Definitions: docs/methods.md.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t

from robustlens.errors import InputError
from robustlens.report.results import FEWEST, VERDICTS, read_table

CLAIM = ["claim", "architecture", "statistic"]
COMPARISON = [*CLAIM, "group", "run", "standard", "robust", "difference", "low", "high", "n", "verdict"]
COMPARISON += ["change", "change_low", "change_high", "moved"]
QUANTITIES = ["table", "quantity", "group", "run", "value", "low", "high"]
CHANGES = ["table", "quantity", "first", "second", "value_first", "value_second", "change", "low", "high", "basis", "moved"]
SEEDS = ["table", "quantity", "group", "n_runs", "mean", "sd", "low", "high", "standard", "robust"]
SEEDS += [name.replace(" ", "_") for name in VERDICTS]
OF_CLAIMS = ["standard", "robust", "verdict"]  # beside the difference
SETTINGS = ["key", "run", "value"]
OWN, OVER_RUNS, MIXED = "intervals of both runs", "spread over runs", "one run against a spread"


@dataclass(frozen=True)
class Run:
    """A results folder: its group, its name, its tables by name, ``claims`` among them, and its settings by dotted key."""

    group: str
    name: str
    folder: str
    tables: dict[str, pd.DataFrame]
    settings: dict[str, str] = field(default_factory=dict)


# -------------------------------------------------------------------------------------------------------------------- reading
def read_runs(groups: dict[str, list[str]], tables: list[str]) -> list[Run]:
    """The runs of every group, in order; a group of several names them ``<group>-1``, ``<group>-2`` ...

    ``tables``: names of the tables that each must have. Raises InputError where one is missing, or has other columns than the
    first run's.
    """
    runs = []
    for group, folders in groups.items():
        for number, folder in enumerate(folders, 1):
            name = group if len(folders) == 1 else f"{group}-{number}"
            runs.append(Run(group, name, folder, _read_tables(Path(folder), tables), read_settings(Path(folder))))
    for run in runs[1:]:
        for name, table in run.tables.items():
            wanted = list(runs[0].tables[name].columns)
            if list(table.columns) != wanted:
                raise InputError(
                    table_path(run.folder, name),
                    f"the columns of {runs[0].name} ({', '.join(wanted)})",
                    ", ".join(table.columns),
                    "build both with the same version of robustlens",
                )
    return runs


def table_path(folder: str | Path, name: str) -> Path:
    """Where a results folder has a table."""
    return Path(folder, "reports", *(() if name == "claims" else ("tables",)), f"{name}.csv")


def _read_tables(folder: Path, names: list[str]) -> dict[str, pd.DataFrame]:
    return {name: read_table(table_path(folder, name)) for name in ["claims", *names]}


def read_settings(folder: Path) -> dict[str, str]:
    """What a run was made with: its config (reports/study.json) by dotted key, and the digest of each network's weights.

    Empty where the folder does not say.
    """
    found: dict[str, str] = {}
    for path in (folder / "reports" / "study.json", *sorted(folder.glob("models/*/card.json"))):
        if not path.is_file():
            continue
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            found |= flatten(said) if path.stem == "study" else {f"weights of {said['model']}": said["sha256"][:12]}
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(path, "the settings of a run (JSON)", repr(error)) from error
    return found


def flatten(value: object, key: str = "") -> dict[str, str]:
    """A nested config as text by dotted key; lists as one line of JSON."""
    if isinstance(value, dict) and (value or not key):
        return {k: v for name, inner in value.items() for k, v in flatten(inner, f"{key}.{name}" if key else str(name)).items()}
    return {key: value if isinstance(value, str) else json.dumps(value)}


# ------------------------------------------------------------------------------------------------------------------ quantities
def quantities(run: Run) -> pd.DataFrame:
    """Every number of a run that has an interval: columns ``QUANTITIES``, ``OF_CLAIMS``, which are empty for other tables, ``n``
    and ``fewest``, the run's ``statistics.fewest``.

    ``quantity``: what the row is of, its naming columns joined by `` | ``; the name of the number is added where a table has several.
    Raises InputError where two rows would have one name.
    """
    columns, parts = [*QUANTITIES, *OF_CLAIMS, "n", "fewest"], []
    fewest = int(run.settings.get("statistics.fewest", FEWEST))
    for name, table in run.tables.items():
        lows = [column for column in table.columns if column == "low" or column.endswith("_low")]
        naming = naming_columns(table)
        labels = table[naming].fillna("").astype(str).agg(" | ".join, axis=1) if len(table) and naming else pd.Series("", table.index)
        for low in lows:
            value = [name for name in table.columns[: table.columns.get_loc(low)] if not name.startswith("n_")][-1]
            ends = {"value": table[value], "low": table[low], "high": table[low.removesuffix("low") + "high"]}
            part = pd.DataFrame({key: pd.to_numeric(column) for key, column in ends.items()})
            quantity = labels if len(lows) == 1 else labels + f" | {value}"
            beside = {key: table[key] if name == "claims" else np.nan for key in OF_CLAIMS}
            part = part.assign(table=name, quantity=quantity, group=run.group, run=run.name, **beside, n=items_of(table), fewest=fewest)
            parts.append(part)
    parts = [part[columns].astype({"verdict": object}) for part in parts if len(part)]
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    if (twice := found.duplicated(["table", "quantity"])).any():
        row = found[twice].iloc[0]
        raise InputError(table_path(run.folder, row["table"]), "each quantity once", f"{row['quantity']} twice")
    return found


def items_of(table: pd.DataFrame) -> pd.Series:
    """What each number rests on: float [n_rows], decided images, else the first ``n_...``; of claims the fewer of S and R; inf: unknown."""
    counts = [name for name in table.columns if name.startswith("n_")]
    if "n" in table:
        parts = table["n"].astype(str).str.split("+", expand=True).apply(pd.to_numeric, errors="coerce")
        return parts.min(axis=1).fillna(np.inf)
    name = "n_decided" if "n_decided" in counts else next(iter(counts), None)
    numbers = pd.to_numeric(table[name], errors="coerce") if name else pd.Series(np.inf, table.index)
    return numbers.fillna(np.inf)


def naming_columns(table: pd.DataFrame) -> list[str]:
    """The columns that say what a row is of: those before its first number, which is how many (``n_...``) or S's (``standard``)."""
    numbers = (place for place, column in enumerate(table.columns) if column.startswith("n_") or column == "standard")
    return list(table.columns[: next(numbers, 0)])


# ------------------------------------------------------------------------------------------------------------------ statistics
def difference(first: tuple[float, float, float], second: tuple[float, float, float]) -> tuple[float, float, float]:
    """Second - first with its 95 % interval, from ``(value, low, high)`` of two independent estimates.

    The distances to the ends are added in quadrature, each side for itself: for symmetric intervals the sum of variances, for two
    shares with Wilson's interval Newcombe's hybrid score (method 10, 1998; MOVER, Zou and Donner 2008).
    """
    (a, a_low, a_high), (b, b_low, b_high) = first, second
    change = b - a
    down = np.hypot(max(b - b_low, 0), max(a_high - a, 0)) if np.isfinite([b_low, a_high]).all() else np.nan
    up = np.hypot(max(b_high - b, 0), max(a - a_low, 0)) if np.isfinite([b_high, a_low]).all() else np.nan
    return change, float(change - down), float(change + up)


def mean_over_runs(values: np.ndarray) -> tuple[float, float, float, float]:
    """Mean of ``values`` [n_runs], their standard deviation, and the 95 % t interval of the mean; NaN beyond the mean for one run."""
    values = np.asarray(values, float)
    if len(values) < 2:
        return float(values.mean()) if len(values) else np.nan, np.nan, np.nan, np.nan
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    half = float(t.ppf(0.975, len(values) - 1)) * sd / np.sqrt(len(values))
    return mean, sd, mean - half, mean + half


def difference_over_runs(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """Mean of ``second`` - mean of ``first`` [n_runs] with its 95 % t interval, where either holds several runs.

    Welch's where both do; where one holds a single run, that is taken for a draw of the spread of the other (n - 1 degrees).
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    change = float(second.mean() - first.mean())
    if min(len(first), len(second)) == 1:
        several = first if len(first) > 1 else second
        error, degrees = np.sqrt(several.var(ddof=1) * (1 + 1 / len(several))), len(several) - 1
    else:
        parts = np.array([values.var(ddof=1) / len(values) for values in (first, second)])
        error, below = np.sqrt(parts.sum()), (parts**2 / [len(first) - 1, len(second) - 1]).sum()
        degrees = parts.sum() ** 2 / below if below > 0 else len(first) + len(second) - 2
    half = float(t.ppf(0.975, degrees) * error)
    return change, change - half, change + half


def moved(low: float, high: float) -> str:
    """``true`` where an interval of a change leaves 0 out, ``false`` where it holds 0, empty where there is none."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return ""
    return "false" if low <= 0 <= high else "true"


# ---------------------------------------------------------------------------------------------------------------------- tables
def changes(found: pd.DataFrame) -> pd.DataFrame:
    """Every quantity in every group against the first group: ``CHANGES``.

    ``found``: the quantities of all runs. What one of the two groups lacks in any of its runs has no change; what no run measured
    is left out.
    """
    groups = list(found["group"].unique())
    n_runs = found.groupby("group")["run"].nunique()
    rows = []
    for (table, quantity), of_all in found.groupby(["table", "quantity"], sort=False):
        of_group = {name: rows.dropna(subset="value") for name, rows in of_all.groupby("group")}
        whole = {name: rows for name, rows in of_group.items() if len(rows) == n_runs[name]}
        if not any(len(rows) for rows in of_group.values()):
            continue  # measured in no run
        for other in groups[1:]:
            pair = [whole.get(name) for name in (groups[0], other)]
            means = [np.nan if rows is None else float(rows["value"].mean()) for rows in pair]
            basis, change, low, high = "", np.nan, np.nan, np.nan
            if all(rows is not None for rows in pair):
                basis, change, low, high = _change(*pair)
            few = basis == OWN and any((rows["n"] < rows["fewest"]).any() for rows in pair if rows is not None)
            rows.append((table, quantity, groups[0], other, *means, change, low, high, basis, "" if few else moved(low, high)))
    return pd.DataFrame(rows, columns=CHANGES)


def _change(first: pd.DataFrame, second: pd.DataFrame) -> tuple[str, float, float, float]:
    """On what the interval of a change rests, and the change with it, from the rows of one quantity in two groups."""
    if len(first) == len(second) == 1:
        ends = (tuple(rows[["value", "low", "high"]].iloc[0]) for rows in (first, second))
        return OWN, *difference(*ends)
    return MIXED if min(len(first), len(second)) == 1 else OVER_RUNS, *difference_over_runs(first["value"], second["value"])


def seeds(found: pd.DataFrame) -> pd.DataFrame:
    """Every quantity over the runs of each group of several: ``SEEDS``; the last columns count verdicts, for claims alone."""
    n_runs = found.groupby("group")["run"].nunique()
    rows = []
    for (table, quantity, group), of_runs in found.groupby(["table", "quantity", "group"], sort=False):
        values = of_runs["value"].dropna().to_numpy(float)
        if n_runs[group] < 2 or not len(values):
            continue
        of_claim = [of_runs[role].mean() for role in ("standard", "robust")]
        of_claim += [(of_runs["verdict"] == name).sum() if table == "claims" else "" for name in VERDICTS]
        rows.append((table, quantity, group, len(values), *mean_over_runs(values), *of_claim))
    return pd.DataFrame(rows, columns=SEEDS)


def comparison(runs: list[Run], changed: pd.DataFrame) -> pd.DataFrame:
    """The claims of all runs, a row a claim and run, with the change of its group from the first one: ``COMPARISON``."""
    claims = pd.concat([run.tables["claims"].assign(group=run.group, run=run.name) for run in runs], ignore_index=True)
    claims["quantity"] = claims[CLAIM].fillna("").astype(str).agg(" | ".join, axis=1)
    own = changed[changed["table"] == "claims"].rename(columns={"second": "group", "low": "change_low", "high": "change_high"})
    joined = claims.merge(own[["quantity", "group", "change", "change_low", "change_high", "moved"]], how="left", on=["quantity", "group"])
    order = {name: place for place, name in enumerate(dict.fromkeys(claims["quantity"]))}
    joined = joined.sort_values("quantity", key=lambda names: names.map(order), kind="stable", ignore_index=True)
    return joined[COMPARISON].fillna({"moved": ""})


def settings(runs: list[Run]) -> pd.DataFrame:
    """What is not the same in all runs that say it, a row a setting and run: ``SETTINGS``; empty where a run lacks it."""
    keys = list(dict.fromkeys(key for run in runs for key in run.settings))
    saying = {key: [run.settings.get(key) for run in runs if key in run.settings or "study" in run.settings] for key in keys}
    differing = [key for key in keys if len(set(saying[key])) > 1]
    return pd.DataFrame([(key, run.name, run.settings.get(key, "")) for key in differing for run in runs], columns=SETTINGS)
