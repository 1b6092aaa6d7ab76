"""How tables are printed: CSV, six significant digits."""

from pathlib import Path

import pandas as pd

from robustlens.files import replacing


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV with numbers to six significant digits and empty cells for NaN."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")
