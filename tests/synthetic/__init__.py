"""A complete set of results made up in a moment, as docs/data.md describes it: for tests of what comes after the measurements.

The numbers are plausible and mean nothing. ``make_results(folder, study)`` writes the tables, claims, cards, weights and image shards
of every model and stimulus of ``study``, leaves out what the study cannot have, and says where everything is.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from synthetic.files import SIDE, Run, make_model, make_shards, make_units
from synthetic.studies import embedded_study, roles, single_study, small_study
from synthetic.tables import claims_of, tables_of

__all__ = ["SIDE", "Run", "embedded_study", "make_results", "single_study", "small_study"]


def make_results(folder: Path, study: dict | None = None) -> Run:
    """Write made-up results of a study (the embedded one if None) under ``folder``; equal bytes every time."""
    run = Run(Path(folder), study or embedded_study())
    random = np.random.default_rng(0)
    for name, table in tables_of(run.study, random).items():
        run.tables.append(_csv(run.folder / "reports" / "tables" / f"{name}.csv", table))
    run.claims = _csv(run.folder / "reports" / "claims.csv", claims_of(run.study))
    for model, role in roles(run.study).items():
        make_model(run, model, role, random)
        make_units(run, model, role, random)
    make_shards(run, random)
    return run


def _csv(path: Path, table: pd.DataFrame) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, float_format="%.6g")
    return str(path)
