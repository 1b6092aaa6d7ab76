"""The sheet of the images that drive single units most, dark where the unit is off."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robustlens.images import read_shard
from robustlens.neurons.top_maps import open_top_maps
from robustlens.report.figures import WIDTH, LeftOut, styled
from robustlens.report.figures_pictures import mosaic, shrink
from robustlens.report.palette import COLOURS, INK, MUTED
from robustlens.report.results import Results

UNITS, UNIT_IMAGES = 3, 7  # of each model of a pair, and images of each
DIMMED = 0.35  # brightness where a unit is off


@dataclass(frozen=True)
class TopPictures:
    """Paths: ``shards`` of the images of top_images.parquet; ``units`` (units.parquet) and ``top_maps`` (top_maps.h5) of the models."""

    shards: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    top_maps: list[str] = field(default_factory=list)

    def tiles(self, rows: pd.DataFrame, concept_set: str) -> list[np.ndarray | None]:
        """Of each row (``model, layer, unit, rank, image_id``) the picture, uint8 ``[height, width, 3]``; None where no shard has it.

        A unit is on where its map is strictly above its threshold on ``concept_set``; cells are not interpolated.
        """
        rows = rows.reset_index(drop=True)
        pictures = dict(self._pictures(set(rows["image_id"])))
        tiles = [pictures.get(image_id) for image_id in rows["image_id"]]
        for row, on in self._masks(rows, concept_set):
            if (tile := tiles[row]) is not None and on.size > 1:
                tiles[row] = dimmed(tile, on)
        return tiles

    def _pictures(self, wanted: set[str]) -> Iterator[tuple[str, np.ndarray]]:
        """(id, picture of at most TILE px); one shard is open at a time."""
        for path in self.shards:
            shard = read_shard(path)
            for row in np.flatnonzero(shard.rows["image_id"].isin(wanted)):
                yield shard.rows["image_id"].iloc[row], shrink(shard.pixels(int(row), int(row) + 1)[0])

    def _masks(self, rows: pd.DataFrame, concept_set: str) -> Iterator[tuple[int, np.ndarray]]:
        """(place of a row, bool ``[height, width]``: where its unit is on)."""
        for model, own in rows.groupby("model"):
            table = next((path for path in self.units if Path(path).parts[-3:-1] == (model, concept_set)), None)
            path = next((path for path in self.top_maps if Path(path).parent.name == model), None)
            if table is None or path is None:
                continue
            threshold = pd.read_parquet(table, columns=["layer", "unit", "threshold"]).set_index(["layer", "unit"])["threshold"]
            with open_top_maps(path) as maps:
                for row in own.itertuples():
                    yield row.Index, maps[row.layer][row.unit, row.rank] > threshold[row.layer, row.unit]


def dimmed(picture: np.ndarray, on: np.ndarray) -> np.ndarray:
    """The picture, uint8 ``[height, width, 3]``, DIMMED where the cell of ``on``, bool ``[rows, columns]``, is false."""
    rows, columns = (np.arange(size) * n // size for size, n in zip(picture.shape, on.shape, strict=False))
    return np.where(on[rows[:, None], columns][..., None], picture, (picture * DIMMED).astype(np.uint8))


@styled
def draw_top_images(results: Results, top_images: pd.DataFrame, pictures: TopPictures) -> Figure:
    """The images that drive the units of S and R most that match a concept best; one row a unit."""
    units = results.table("dissection_units")
    units = units[units["concept_set"].isin(units["concept_set"].head(1))]  # of the first concept set
    panels = [panel for panel in results.panels() if set(panel.members.values()) & set(top_images.get("model", [])) & set(units["model"])]
    if not panels:
        raise LeftOut("no units were matched with concepts, so that none is singled out")
    models = dict.fromkeys(model for panel in panels for model in panel.members.values())
    chosen = pd.concat([strongest_units(units[units["model"] == model]) for model in models])
    shown = chosen[["model", "layer", "unit"]].merge(top_images[top_images["rank"] < UNIT_IMAGES]).sort_values("rank", ignore_index=True)
    shown["tile"] = pictures.tiles(shown, units["concept_set"].iloc[0])
    columns = max(len(panel.members) for panel in panels)
    size = WIDTH / columns / (UNIT_IMAGES + 0.2)
    figure = Figure(figsize=(WIDTH, len(panels) * (UNITS * (size + 0.17) + 0.3)), layout="constrained")
    axes = figure.subplots(len(panels), columns, squeeze=False)
    for line, panel in zip(axes, panels, strict=True):
        for axis in line:
            axis.set_axis_off()
        for axis, (role, model) in zip(line, panel.members.items(), strict=False):
            axis.set_title(
                panel.label if role == "single" else f"{panel.label} {role[0].upper()}", color=COLOURS[role] if role != "single" else INK
            )
            unit_rows(axis, chosen[chosen["model"] == model], shown[shown["model"] == model], size)
    return figure


def strongest_units(units: pd.DataFrame) -> pd.DataFrame:
    """The units of largest IoU, each with another concept where there are enough."""
    ranked = units.sort_values(["iou", "layer", "unit"], ascending=[False, True, True])
    others = ranked.drop_duplicates("name")
    return pd.concat([others, ranked]).drop_duplicates(["layer", "unit"]).head(UNITS)


def unit_rows(axis: Axes, units: pd.DataFrame, shown: pd.DataFrame, size: float) -> None:
    """One row of pictures a unit, with its layer, number, concept and IoU above it."""
    pitch = 1 + 0.17 / size
    for place, unit in enumerate(units.itertuples(index=False)):
        tiles = shown.loc[(shown["layer"] == unit.layer) & (shown["unit"] == unit.unit), "tile"].tolist()
        if any(tile is not None for tile in tiles):
            top = place * pitch + pitch - 1
            axis.imshow(mosaic([tiles], 6), extent=(0, len(tiles) - 0.06, top + 0.94, top), interpolation="none", aspect="equal")
        text = f"{unit.layer} unit {unit.unit}: {unit.name} ({unit.category}), IoU {unit.iou:.2f}"
        axis.text(0, place * pitch + pitch - 1.04, text, va="bottom", fontsize=6.8, color=MUTED)
    axis.set(xlim=(0, UNIT_IMAGES), ylim=(UNITS * pitch, 0))
