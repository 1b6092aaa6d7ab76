"""How the report reads tables of measurements, which are Parquet, and prints its own: CSV, six significant digits."""

from pathlib import Path

import pandas as pd

from robustlens.errors import refusing
from robustlens.files import replacing


def read_parquets(paths: list[str], columns: list[str] | None = None) -> pd.DataFrame:
    """Several Parquet tables as one; without paths an empty table with ``columns``."""
    return pd.concat([read_parquet(path) for path in paths], ignore_index=True) if paths else pd.DataFrame(columns=columns or [])


def read_parquet(path: str) -> pd.DataFrame:
    """One Parquet table. Raises InputError for a file that is damaged, cut off or of another kind."""
    with refusing(path, "a complete Parquet file", "delete it and run again"):
        return pd.read_parquet(path, page_checksum_verification=True)


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV with numbers to six significant digits and empty cells for NaN."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")
