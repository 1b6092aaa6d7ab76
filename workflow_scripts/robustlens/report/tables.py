"""How the report reads tables of measurements, which are Parquet, and prints its own: CSV, six significant digits."""

from pathlib import Path

import pandas as pd

from robustlens.errors import InputError, refusing
from robustlens.files import replacing

UNIT = ["model", "layer", "unit"]


def read_parquets(paths: list[str], columns: list[str] | None = None) -> pd.DataFrame:
    """Several Parquet tables as one; without paths an empty table with ``columns``."""
    return pd.concat([read_parquet(path) for path in paths], ignore_index=True) if paths else pd.DataFrame(columns=columns or [])


def read_parquet(path: str) -> pd.DataFrame:
    """One Parquet table. Raises InputError for a file that is damaged, cut off or of another kind."""
    with refusing(path, "a complete Parquet file", "delete it and run again"):
        return pd.read_parquet(path, page_checksum_verification=True)


def read_scores(shards: list[str]) -> pd.DataFrame:
    """The scores of every unit in an ablation, added up over the shards of each model; one row a unit, as in a shard (docs/data.md).

    Raises InputError for a shard of other units than the first of its model, and where no image bears two cues of different classes.
    """
    found: dict[str, tuple[str, pd.DataFrame]] = {}
    for path in shards:
        table = read_parquet(path)
        model = table["model"].iloc[0]
        first, total = found.get(model, (path, None))
        if total is not None:
            if not table[UNIT].equals(total[UNIT]):
                raise InputError(path, f"the units of {first}", "others", "delete it and run again")
            counts = table.columns.drop(UNIT)
            table[counts] += total[counts]
        found[model] = first, table
    scores = pd.concat([table for _, table in found.values()], ignore_index=True) if found else pd.DataFrame(columns=UNIT)
    if len(scores) and not scores["n_images"].all():
        raise InputError("ablation.stimulus", "images whose shape and texture belong to different classes", "none")
    return scores


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV with numbers to six significant digits and empty cells for NaN."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")
