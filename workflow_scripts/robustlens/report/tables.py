"""How tables are printed: CSV, six significant digits."""

from pathlib import Path

import pandas as pd


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV with numbers to six significant digits and empty cells for NaN."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, float_format="%.6g")
