"""The page that lays runs side by side: prints the tables of robustlens.report.comparison and computes no statistic."""

from pathlib import Path

import pandas as pd

from robustlens.files import write_text
from robustlens.report.comparison import CLAIM, OWN, Run
from robustlens.report.results import VERDICTS, display
from robustlens.report.style import number, render

TEMPLATE = Path(__file__).with_suffix(".html.j2")
MOST_ROWS = 200  # of a table on the page; the CSV has all
CHANCE = 0.05  # share of intervals of 95 % that leave out the truth


def write_page(page: Path, runs: list[Run], tables: dict[str, pd.DataFrame]) -> None:
    """Write the page; ``tables``: comparison, changes, seeds and settings, as the CSV files have them."""
    claims = claim_rows(tables)
    text = render(
        TEMPLATE,
        runs=runs,
        groups=list(dict.fromkeys(run.group for run in runs)),
        answer=[*answer_changes(claims, tables["changes"]), *answer_seeds(claims)],
        settings=setting_rows(tables["settings"]),
        silent=[run.name for run in runs if "study" not in run.settings],
        claims=claims,
        moved=[claim for claim in claims if any(row["moved"] == "true" or row["other_verdict"] for row in claim["rows"])],
        counts=counts(tables["changes"]),
        changed=changed_rows(tables["changes"]),
        most=MOST_ROWS,
        repeated=[name for name in dict.fromkeys(run.group for run in runs) if sum(run.group == name for run in runs) > 1],
    )
    write_text(page, text)


def setting_rows(settings: pd.DataFrame) -> list[dict]:
    """Each setting that differs, with its value in every run, by the name of the run."""
    rows = settings.groupby("key", sort=False)
    return [{"key": key, "values": dict(zip(part["run"], part["value"], strict=True))} for key, part in rows]


def claim_rows(tables: dict[str, pd.DataFrame]) -> list[dict]:
    """Every claim, architecture and statistic that a run measured, with a row a group.

    A group of one run shows that run with its own interval, a group of several the means and the interval over them.
    """
    seeds = tables["seeds"][tables["seeds"]["table"] == "claims"].set_index(["quantity", "group"])
    found = []
    for names, rows in tables["comparison"].groupby(CLAIM, sort=False, dropna=False):
        names = ["" if pd.isna(name) else str(name) for name in names]
        if rows["difference"].isna().all():
            continue
        groups = [_group_row(group, part, seeds, " | ".join(names)) for group, part in rows.groupby("group", sort=False)]
        for row in groups[1:]:
            row["other_verdict"] = len(row["verdicts"]) == len(groups[0]["verdicts"]) == 1 and row["verdicts"] != groups[0]["verdicts"]
        found.append({"claim": names[0], "architecture": display(names[1]), "statistic": names[2].replace(">=", "≥"), "rows": groups})
    return found


def _group_row(group: str, rows: pd.DataFrame, seeds: pd.DataFrame, quantity: str) -> dict:
    """One group of a claim: numbers, intervals as text, verdict -> number of runs, and whether it moved."""
    values = rows.iloc[0] if (quantity, group) not in seeds.index else seeds.loc[(quantity, group)].rename({"mean": "difference"})
    first = rows.iloc[0]
    return {
        "group": group,
        "n_runs": len(rows),
        "standard": number(values["standard"]),
        "robust": number(values["robust"]),
        "difference": number(values["difference"]),
        "interval": interval(values["low"], values["high"]),
        "n": first["n"] if len(rows) == 1 else f"{len(rows)} runs",
        "verdicts": {name: count for name in VERDICTS if (count := int((rows["verdict"] == name).sum()))},
        "change": number(first["change"]),
        "change_interval": interval(first["change_low"], first["change_high"]),
        "moved": first["moved"],
        "other_verdict": False,
    }


def interval(low: float, high: float) -> str:
    """An interval in words, empty where there is none."""
    return "" if pd.isna(low) or pd.isna(high) else f"{number(low)} to {number(high)}"


def counts(changes: pd.DataFrame) -> list[dict]:
    """Of each table and group, how many quantities were compared, moved, should by chance alone, and lack an interval or a run."""
    return [
        {
            "table": table,
            "second": second,
            "n": int((part["moved"] != "").sum()),
            "n_moved": int((part["moved"] == "true").sum()),
            "chance": number(CHANCE * (part["moved"] != "").sum()),
            "without": int(part["change"].isna().sum()),
            "no_interval": int((part["change"].notna() & (part["moved"] == "")).sum()),
        }
        for (table, second), part in changes.groupby(["table", "second"], sort=False)
    ]


def changed_rows(changes: pd.DataFrame) -> dict[str, list[dict]]:
    """The quantities of every table but the claims that moved, those that moved most (in half-widths of the interval) first."""
    rows = changes[(changes["moved"] == "true") & (changes["table"] != "claims")]
    width = (rows["high"] - rows["low"]).clip(lower=1e-12)
    rows = rows.assign(size=(rows["change"] / width).abs()).sort_values("size", ascending=False, kind="stable")
    printed = rows.assign(interval=[interval(*ends) for ends in zip(rows["low"], rows["high"], strict=True)])
    return {table: part.to_dict("records") for table, part in printed.groupby("table", sort=False)}


# -------------------------------------------------------------------------------------------------------------------- answers
def answer_changes(claims: list[dict], changes: pd.DataFrame) -> list[str]:
    """What moved from the first group to each other one, a sentence or two a group."""
    said = []
    for second, part in changes[changes["table"] == "claims"].groupby("second", sort=False):
        tested, n_moved = int((part["moved"] != "").sum()), int((part["moved"] == "true").sum())
        verdicts = sum(row["other_verdict"] for claim in claims for row in claim["rows"] if row["group"] == second)
        beyond = "their interval" if (part["basis"] == OWN).any() else "what chance between the repeated runs explains"
        first = part["first"].iloc[0]
        said.append(
            f"From {first} to {second}, {n_moved} of {tested} differences R − S of the claims moved beyond {beyond}"
            f" (about {number(CHANCE * tested)} would by chance alone)"
            + (f"; with another verdict: {verdicts}." if (part["basis"] == OWN).any() else ".")
        )
    return said


def answer_seeds(claims: list[dict]) -> list[str]:
    """How often the runs of a group agree on a verdict, a sentence a group of several."""
    rows = [row for claim in claims for row in claim["rows"] if row["n_runs"] > 1]
    said = []
    for group in dict.fromkeys(row["group"] for row in rows):
        own = [row for row in rows if row["group"] == group]
        same = sum(len(row["verdicts"]) == 1 for row in own)
        said.append(f"The {own[0]['n_runs']} runs of {group} agree on {same} of {len(own)} verdicts.")
    return said
