"""The numbers of the unit explorer: what the tables say of the units of one layer, as lists that JavaScript reads."""

import base64
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from h5py import Dataset

from robustlens.errors import InputError, refusing
from robustlens.neurons.positions import has_positions
from robustlens.report.explorer_pictures import masks
from robustlens.report.tables import read_scores

BEST = 5  # concepts of a unit
SHOWN = 10  # images of a unit at most
MOST_IMAGES = 10_000  # of all units: beyond it, fewer are shown of each
BATCH = 2**18  # rows of iou.parquet held at once
COLUMNS = {
    "smoothness": ["layer", "unit", "tv_clean", "tv_noisy", "relative_change"],
    "top_images": ["layer", "unit", "rank", "image_id", "activation", "row", "column"],
    "ablation": ["layer", "unit", "n_shape", "n_texture", "shape_score", "texture_score", "n_changed", "n_images"],
    "units": ["layer", "unit", "threshold", "n_above", "n_cells"],
    "complexity": ["model", "layer", "unit", "threshold", "n_concepts"],
    "iou": ["layer", "unit", "concept", "name", "category", "iou"],
}


@dataclass(frozen=True)
class Files:
    """Paths of the tables on units, by kind: below ``{model}/`` or ``{model}/{concept_set}/``, ``complexity`` below ``{concept_set}/``."""

    smoothness: list[str] = field(default_factory=list)
    top_images: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    complexity: list[str] = field(default_factory=list)
    iou: list[str] = field(default_factory=list)
    ablation: list[str] = field(default_factory=list)
    top_maps: list[str] = field(default_factory=list)

    def of_model(self, kind: str, model: str) -> str | None:
        """The file of a kind that is there once a model."""
        return next(iter(self.all_of_model(kind, model)), None)

    def all_of_model(self, kind: str, model: str) -> list[str]:
        """The files of a kind that is there once a model, or once a model and shard."""
        return [path for path in getattr(self, kind) if Path(path).parent.name == model]

    def of_sets(self, kind: str, model: str) -> dict[str, str]:
        """Concept set -> the file of a kind that is there once a concept set."""
        return {Path(path).parent.name: path for path in getattr(self, kind) if Path(path).parents[1].name == model}


@dataclass(frozen=True)
class Tables:
    """What is known of one model: a table a kind with the columns ``layer, unit``, those on concepts by concept set."""

    smoothness: pd.DataFrame
    top_images: pd.DataFrame
    ablation: pd.DataFrame
    units: dict[str, pd.DataFrame]
    n_concepts: dict[str, pd.DataFrame]
    best: dict[str, pd.DataFrame]

    def layers(self) -> list[str]:
        """The layers of all tables in order of first appearance, which is that of depth."""
        tables = (*self.units.values(), self.smoothness, self.top_images, self.ablation)
        return list(dict.fromkeys(layer for table in tables for layer in table["layer"].unique()))

    def units_of(self, layer: str) -> list[int]:
        """The numbers of the units of a layer that any table knows, in order."""
        tables = (*self.units.values(), self.smoothness, self.top_images, self.ablation)
        return sorted({int(unit) for table in tables for unit in table.loc[table["layer"] == layer, "unit"].unique()})


def read_model(files: Files, model: str, threshold: float, shown: int, least: dict[str, int]) -> Tables:
    """The tables of one model; ``threshold``: IoU from which a concept counts for complexity; ``shown``: images of a unit at most;
    ``least``: concept set -> positions above its threshold that a unit needs for its concepts to be named and counted."""
    counted = ((Path(path).parent.name, _of(read(path, "complexity"), model)) for path in files.complexity)
    counts = {name: table for name, table in counted if len(table)}
    units = {name: read(path, "units") for name, path in files.of_sets("units", model).items()}
    known = {name: table[has_positions(table.assign(concept_set=name, model=model), least)] for name, table in units.items()}
    best = {name: best_concepts(path) for name, path in files.of_sets("iou", model).items()}
    return Tables(
        read(files.of_model("smoothness", model), "smoothness"),
        read_top_images(files.of_model("top_images", model), shown),
        _scores(files.all_of_model("ablation", model)),
        units,
        {name: _known(table[np.isclose(table["threshold"].astype(float), threshold)], known, name) for name, table in counts.items()},
        {name: _known(table, known, name) for name, table in best.items()},
    )


def _known(table: pd.DataFrame, known: dict[str, pd.DataFrame], concept_set: str) -> pd.DataFrame:
    """The rows of a table on concepts whose unit has enough positions above its threshold."""
    keys = ["layer", "unit"]
    units = pd.MultiIndex.from_frame(known[concept_set][keys]) if concept_set in known else None
    return table if units is None else table[pd.MultiIndex.from_frame(table[keys]).isin(units)]


def _of(table: pd.DataFrame, model: str) -> pd.DataFrame:
    return table[table["model"] == model].drop(columns="model")


def _scores(shards: list[str]) -> pd.DataFrame:
    for path in shards:
        open_table(path, "ablation")
    return read_scores(shards)[COLUMNS["ablation"]] if shards else pd.DataFrame(columns=COLUMNS["ablation"])


def choose_images(paths: list[str]) -> tuple[int, set[str]]:
    """How many images of each unit are shown, and the ids of them all: as many as SHOWN and MOST_IMAGES allow, at least one."""
    first: dict[str, int] = {}  # image id -> lowest rank that it has for any unit
    for path in paths:
        for image_id, rank in read(path, "top_images").groupby("image_id")["rank"].min().items():
            first[image_id] = min(rank, first.get(image_id, rank))
    needed = np.bincount(np.fromiter(first.values(), int), minlength=SHOWN)[:SHOWN].cumsum()
    shown = max(1, int((needed <= MOST_IMAGES).sum()))
    return shown, {image_id for image_id, rank in first.items() if rank < shown}


def read_top_images(path: str | None, shown: int) -> pd.DataFrame:
    """The at most ``shown`` strongest images of each unit, by layer, unit and rank; without rows where there is no file."""
    top = read(path, "top_images")
    return top[top["rank"] < shown].sort_values(["layer", "unit", "rank"], ignore_index=True)


def read(path: str | None, kind: str) -> pd.DataFrame:
    """The columns of ``COLUMNS`` of a table; without rows where there is no file."""
    if path is None:
        return pd.DataFrame(columns=COLUMNS[kind])
    with refusing(path, "a complete Parquet file", "delete it and run again"):
        return open_table(path, kind).read(COLUMNS[kind]).to_pandas()


def open_table(path: str, kind: str) -> pq.ParquetFile:
    """A Parquet file that has the columns of its kind. Raises InputError for another one."""
    with refusing(path, "a complete Parquet file", "delete it and run again"):
        file = pq.ParquetFile(path, page_checksum_verification=True)
    if missing := [name for name in COLUMNS[kind] if name not in file.schema_arrow.names]:
        raise InputError(path, f"the columns {', '.join(COLUMNS[kind])}", f"no {', '.join(missing)}")
    return file


def best_concepts(path: str) -> pd.DataFrame:
    """The at most ``BEST`` concepts of largest IoU above 0 of each unit, ties to the lowest number: the columns of ``iou``.

    The file is read a part at a time: the matrix of a large study has millions of rows.
    """
    kept = [best_of(pd.DataFrame(columns=COLUMNS["iou"]))]
    with refusing(path, "a complete Parquet file", "delete it and run again"):
        for batch in open_table(path, "iou").iter_batches(BATCH, columns=COLUMNS["iou"]):
            rows = batch.filter(pa.compute.greater(batch["iou"], 0))
            kept.append(best_of(rows.to_pandas().astype({"name": str, "category": str})))
    return best_of(pd.concat([part for part in kept if len(part)] or kept))


def best_of(rows: pd.DataFrame) -> pd.DataFrame:
    ranked = rows.sort_values(["iou", "concept"], ascending=[False, True], kind="stable")
    return ranked.groupby(["layer", "unit"], sort=False, observed=True).head(BEST)


# ------------------------------------------------------------------------------------------------------------------ one layer
def layer_data(tables: Tables, layer: str, concepts: dict[tuple, int], pictures: dict[str, int]) -> dict:
    """What the page shows of a layer: lists in the order of ``units``, None where nothing was measured.

    ``concepts``: (concept set, number, name, category) -> place in the list of the page, added to; ``pictures``: image id -> number.
    """
    units = tables.units_of(layer)
    sets = [name for name, table in tables.units.items() if (table["layer"] == layer).any()]
    top = tables.top_images[tables.top_images["layer"] == layer]
    return {
        "units": units,
        **columns(tables.smoothness, layer, units, COLUMNS["smoothness"][2:]),
        **columns(tables.ablation, layer, units, COLUMNS["ablation"][2:]),
        "sets": {name: concept_data(tables, name, layer, units, concepts) for name in sets},
        "ids": {pictures[image_id]: image_id for image_id in top["image_id"].unique()},
        "top": per_unit(top, units, [top["image_id"].map(pictures), top["activation"].map(shorten), top["row"], top["column"]]),
        "grid": None,
        "masks": None,
    }


def add_masks(data: dict, tables: Tables, layer: str, maps: Dataset) -> None:
    """Put into the data of a layer the size of its maps and, a string a unit, where it is on in each of its images (base64).

    ``maps``: float16 [n_units, n_ranks, height, width] on the images of top_images.parquet.
    """
    data["grid"] = maps.shape[2:]
    if not data["sets"] or not data["ids"]:
        return
    top = tables.top_images[tables.top_images["layer"] == layer].reset_index(drop=True)
    threshold = of_units(tables.units[next(iter(data["sets"]))], layer, data["units"])["threshold"]
    bits = masks(maps, top.assign(threshold=top["unit"].map(threshold)))
    rows = top.groupby("unit").indices
    data["masks"] = [base64.b64encode(bits[rows[unit]].tobytes()).decode() if unit in rows else "" for unit in data["units"]]


def concept_data(tables: Tables, name: str, layer: str, units: list[int], concepts: dict[tuple, int]) -> dict:
    """Of a concept set: threshold and number of concepts a unit, and its best concepts as place, IoU, place, IoU ..."""
    best = tables.best[name]
    best = best[best["layer"] == layer]
    keys = list(zip([name] * len(best), best["concept"], best["name"], best["category"], strict=True))
    places = [concepts.setdefault(key, len(concepts)) for key in keys]
    return {
        **columns(tables.units[name], layer, units, ["threshold", "n_above"]),
        **columns(tables.n_concepts[name], layer, units, ["n_concepts"]),
        "best": per_unit(best, units, [pd.Series(places, best.index), best["iou"].map(shorten)]),
    }


def of_units(table: pd.DataFrame, layer: str, units: list[int]) -> pd.DataFrame:
    """The rows of a layer by unit, NaN for units that the table does not have."""
    return table[table["layer"] == layer].set_index("unit").reindex(units)


def columns(table: pd.DataFrame, layer: str, units: list[int], names: list[str]) -> dict[str, list]:
    """The columns as lists in the order of ``units``; nothing where the table does not know the layer."""
    rows = of_units(table, layer, units)
    return {name: [shorten(value) for value in rows[name]] for name in names} if rows[names].notna().any(axis=None) else {}


def per_unit(rows: pd.DataFrame, units: list[int], values: list[pd.Series]) -> list[list]:
    """Of each unit the values of its rows, one row after the other."""
    found: dict[int, list] = {unit: [] for unit in units}
    for unit, *row in zip(rows["unit"], *values, strict=True):
        found[int(unit)] += row
    return list(found.values())


def shorten(value: float) -> float | int | None:
    """A number of six significant digits, whole ones as int, None for NaN."""
    if pd.isna(value):
        return None
    short = float(f"{value:.6g}")
    return int(short) if short.is_integer() else short
