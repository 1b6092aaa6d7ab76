"""The picture sheets: the stimuli and the filters of the first layer."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from robustlens.images import Shard
from robustlens.report.figures import WIDTH, LeftOut, styled
from robustlens.report.palette import COLOURS, INK, MUTED
from robustlens.report.results import GROUPS, Results, display, stimulus_label

TILE = 96  # px a side at most: larger photographs are scaled down for the sheet
GAIN = 5  # of the adversarial difference
SHEET_IMAGES = 4
BAND_COLUMNS, FEWEST_COLUMNS = 9, 6  # of pictures side by side; fewer would be shown too large
MOST_FILTERS = 64
MATCHED, MOST_MATCHES, MATCHES_A_ROW = ("standard", "robust"), 24, 8  # filters of S beside those of R, of each pair
Tiles = list[list[np.ndarray | None]]


@dataclass(frozen=True)
class Column:
    """One condition of the stimulus sheet."""

    title: str
    group: str
    tiles: list[np.ndarray | None]


@dataclass(frozen=True)
class Pictures:
    """The pictures a report can draw on: shards of stimuli by name and of attacks by (attack, model); and weights by model."""

    stimuli: dict[str, Shard] = field(default_factory=dict)
    attacks: dict[tuple[str, str], Shard] = field(default_factory=dict)
    weights: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)


def pick(shard: Shard, image_id: str) -> np.ndarray | None:
    """uint8 ``[height, width, 3]`` of one image of a shard, at most TILE px; None where the shard does not have it."""
    rows = np.flatnonzero(shard.rows["image_id"].to_numpy() == image_id)
    return None if not len(rows) else shrink(shard.pixels(int(rows[0]), int(rows[0]) + 1)[0])


def shrink(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    scale = TILE / max(height, width)
    if scale >= 1:
        return picture
    return np.asarray(Image.fromarray(picture).resize((round(width * scale), round(height * scale)), Image.Resampling.BOX))


def mosaic(tiles: Tiles, gap: int) -> np.ndarray:
    """uint8 ``[height, width, 4]``: the tiles in rows and columns, transparent between them and where there is none.

    All tiles get the size of the largest; small ones are repeated whole px so that a browser shows px, not a blur.
    """
    side = max((max(tile.shape[:2]) for row in tiles for tile in row if tile is not None), default=1)
    cell = side * max(1, TILE // side)
    sheet = np.zeros((len(tiles) * (cell + gap) - gap, max(map(len, tiles)) * (cell + gap) - gap, 4), np.uint8)
    for i, row in enumerate(tiles):
        for j, tile in enumerate(row):
            if tile is not None:
                factor = max(1, cell // max(tile.shape[:2]))
                tile = tile.repeat(factor, 0).repeat(factor, 1)
                top, left = i * (cell + gap), j * (cell + gap)
                sheet[top : top + tile.shape[0], left : left + tile.shape[1], :3] = tile
                sheet[top : top + tile.shape[0], left : left + tile.shape[1], 3] = 255
    return sheet


def show(axis: Axes, tiles: Tiles, gap: int = 6) -> None:
    """Draw a mosaic so that tile (i, j) spans x = j .. j + 1 and y = i .. i + 1."""
    sheet = mosaic(tiles, gap)
    rows, columns = len(tiles), max(map(len, tiles))
    pad = gap / (sheet.shape[1] + gap) * columns
    axis.imshow(sheet, extent=(0, columns - pad, rows - pad, 0), interpolation="none", aspect="equal")
    axis.set(xlim=(0, columns), ylim=(rows, 0))
    axis.set_axis_off()


# ------------------------------------------------------------------------------------------------------------------- stimuli
@styled
def draw_stimuli(results: Results, pictures: Pictures) -> Figure:
    """The same images under every condition: what is asked to be recognised, and what each condition leaves of it."""
    columns = stimulus_columns(results, pictures)
    if not columns:
        raise LeftOut("no stimulus was written")
    bands = pack(columns)
    n_images = len(columns[0].tiles)
    width = max(FEWEST_COLUMNS, *map(len, bands))
    figure = Figure(figsize=(WIDTH, len(bands) * (n_images * WIDTH / width + 0.5)), layout="constrained")
    axes = figure.subplots(len(bands), 1, squeeze=False)[:, 0]
    line = 0.125 * width / WIDTH  # height of a line of text, in tiles
    for axis, band in zip(axes, bands, strict=True):
        tiles = [[column.tiles[row] for column in band] + [None] * (width - len(band)) for row in range(n_images)]
        show(axis, tiles)
        for place, column in enumerate(band):
            axis.text(place + 0.48, -0.05, column.title, ha="center", va="bottom", fontsize=7.4)
            if place == 0 or band[place - 1].group != column.group:
                last = place + sum(other.group == column.group for other in band) - 0.06
                axis.plot([place, last], [-0.12 - 2 * line] * 2, color=MUTED, linewidth=0.8, clip_on=False)
                axis.text(place, -0.16 - 2 * line, column.group, va="bottom", fontsize=7.4, fontstyle="italic", color=MUTED)
        axis.set_ylim(n_images, -0.2 - 3 * line)
    return figure


def stimulus_columns(results: Results, pictures: Pictures) -> list[Column]:
    """The conditions by what they keep, at most a band of each kind; attacks on S and on R of the first pair, with their change."""
    named = [*(results.study.get("sources") or {}), *(results.study.get("stimuli") or {})]
    known = [name for name in named if name in pictures.stimuli and name != results.conflict()]
    unchanged = [name for name in known if results.group(name) == "unchanged"]
    if not unchanged:
        return []
    ids = sheet_images(pictures.stimuli[unchanged[0]])
    clean = [pick(pictures.stimuli[unchanged[0]], image_id) for image_id in ids]
    columns = [Column(stimulus_label(results.study, unchanged[0]), GROUPS["unchanged"], clean)]
    for group in ("both", "attack", "texture", "shape", "other"):
        if group == "attack":
            columns += attack_columns(results, pictures, ids, clean)
        members = [name for name in known if results.group(name) == group and holds_any(pictures.stimuli[name], ids)]
        for name in spread(members, BAND_COLUMNS):
            tiles = [pick(pictures.stimuli[name], image_id) for image_id in ids]
            columns.append(Column(stimulus_label(results.study, name).replace(" ", "\n", 1), GROUPS[group], tiles))
    conflict = results.conflict()
    if conflict in pictures.stimuli:
        shard = pictures.stimuli[conflict]
        tiles = [pick(shard, image_id) for image_id in sheet_images(shard, "shape")][: len(ids)]
        columns.append(Column("cue\nconflict", "Cues disagree", tiles + [None] * (len(ids) - len(tiles))))
    return columns


def holds_any(shard: Shard, ids: list[str]) -> bool:
    """Whether a set shows any of these images, or others altogether."""
    return bool(shard.rows["image_id"].isin(ids).any())


def attack_columns(results: Results, pictures: Pictures, ids: list[str], clean: Sequence[np.ndarray | None]) -> list[Column]:
    columns = []
    panel = next((panel for panel in results.panels() if any(model in panel.members.values() for _, model in pictures.attacks)), None)
    for (attack, model), shard in pictures.attacks.items():
        if panel is None or model not in panel.members.values() or attack != next(iter(pictures.attacks))[0]:
            continue
        tiles = [pick(shard, image_id) for image_id in ids]
        change = [None if tile is None or picture is None else amplified(tile, picture) for tile, picture in zip(tiles, clean, strict=True)]
        role = {model: role for role, model in panel.members.items()}[model]
        who = role[0].upper() if role != "single" else "the network"
        group = f"{GROUPS['attack']} ({panel.label}, {stimulus_label(results.study, attack).removeprefix('attack ')})"
        columns += [Column(f"against\n{who}", group, tiles), Column(f"its change\n×{GAIN}", group, change)]
    return columns


def amplified(picture: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Mid grey plus GAIN times the difference of two pictures, clipped to uint8."""
    return np.clip(127.5 + GAIN * (picture.astype(np.float32) - clean), 0, 255).astype(np.uint8)


def sheet_images(shard: Shard, cue: str = "label") -> list[str]:
    """Ids of the first image of each of a few classes, evenly spread over the classes of the shard."""
    return spread(list(shard.rows.drop_duplicates(cue).sort_values(cue)["image_id"]), SHEET_IMAGES)


def spread(items: list, n: int) -> list:
    """At most ``n`` of the items, evenly spread, with the first and the last."""
    return items if len(items) <= n else [items[round(place)] for place in np.linspace(0, len(items) - 1, n)]


def pack(columns: list[Column]) -> list[list[Column]]:
    """Bands of at most BAND_COLUMNS columns that keep a group together where it fits."""
    bands: list[list[Column]] = [[]]
    for group in dict.fromkeys(column.group for column in columns):
        members = [column for column in columns if column.group == group]
        if bands[-1] and len(bands[-1]) + len(members) > BAND_COLUMNS:
            bands.append([])
        for column in members:
            if len(bands[-1]) == BAND_COLUMNS:
                bands.append([])
            bands[-1].append(column)
    return bands


# ------------------------------------------------------------------------------------------------------------------- filters
@styled
def draw_filters(results: Results, pictures: Pictures) -> Figure:
    """The filters of the first convolution as pictures, S beside R; each is scaled on its own, mid grey is zero."""
    banks = {model: first_filters(weights, results.table("total_variation"), model) for model, weights in pictures.weights.items()}
    panels = [panel for panel in results.panels() if any(banks.get(model) is not None for model in panel.members.values())]
    if not panels:
        raise LeftOut("no network has a first convolution on pictures of three colours")
    columns = max(len(panel.members) for panel in panels)
    per_row = 8 if columns > 1 else 12
    rows = max(-(-min(len(bank), MOST_FILTERS) // per_row) for bank in banks.values() if bank is not None)
    height = rows * (WIDTH / columns - 0.15) / per_row + 0.3
    figure = Figure(figsize=(WIDTH, len(panels) * height), layout="constrained")
    axes = figure.subplots(len(panels), columns, squeeze=False)
    for line, panel in zip(axes, panels, strict=True):
        for axis, (role, model) in zip(line, panel.members.items(), strict=False):
            bank = banks.get(model)
            if bank is not None:
                tiles: list[np.ndarray | None] = [filter_picture(weights) for weights in bank[:MOST_FILTERS]]
                show(axis, [tiles[start : start + per_row] for start in range(0, len(tiles), per_row)])
            axis.set_axis_off()
            axis.set_title(
                panel.label if role == "single" else f"{panel.label} {role[0].upper()}", color=COLOURS[role] if role != "single" else INK
            )
        for axis in line[len(panel.members) :]:
            axis.set_axis_off()
    return figure


@styled
def draw_matched_filters(results: Results, pictures: Pictures) -> Figure:
    """Filters of the first convolution of S, each beside the one of R that resembles it most; the best matches of each pair first."""
    matches = results.table("filter_matches")
    found = []
    for name, pair in results.pairs().items():
        banks = [first_filters(pictures.weights.get(pair[role], {}), results.table("total_variation"), pair[role]) for role in MATCHED]
        best = matches[(matches["pair"] == name) & (matches["unit_robust"] >= 0)].sort_values("rho", ascending=False).head(MOST_MATCHES)
        if len(best) and banks[0] is not None and banks[1] is not None:
            found.append((name, (banks[0], banks[1]), best))
    if not found:
        raise LeftOut("no first convolution of S could be compared with one of R")
    lines = [-(-len(best) // MATCHES_A_ROW) for *_, best in found]
    figure = Figure(figsize=(WIDTH, sum(0.59 * n + 0.3 for n in lines)), layout="constrained")
    axes = figure.subplots(len(found), 1, squeeze=False, height_ratios=lines)[:, 0]
    for axis, (name, (standard, robust), best), n in zip(axes, found, lines, strict=True):
        axis.set_title(f"{display(name)}: S left, R right")
        for place, match in enumerate(best.itertuples(index=False)):
            x, y = 2.3 * (place % MATCHES_A_ROW), 1.5 * (place // MATCHES_A_ROW)
            for side, weights in enumerate((standard[int(match.unit_standard)], robust[int(match.unit_robust)])):
                axis.imshow(filter_picture(weights), extent=(x + side, x + side + 0.95, y + 0.95, y), interpolation="none")
            axis.text(x + 0.97, y + 1, f"{match.rho:.2f}", ha="center", va="top", fontsize=7)
        axis.set(xlim=(0, 2.3 * MATCHES_A_ROW), ylim=(1.5 * n, 0), aspect="equal")
        axis.set_axis_off()
    return figure


def first_filters(weights: dict[str, np.ndarray], variation: pd.DataFrame, model: str) -> np.ndarray | None:
    """float ``[n_units, 3, height, width]`` of the first convolution: the table's first layer, else the one kernel on three channels."""
    layers = variation[variation["model"] == model]["layer"]
    names = [f"{layers.iloc[0]}.weight"] if len(layers) else []
    for name in [*names, *weights]:
        if name in weights and weights[name].ndim == 4 and weights[name].shape[1] == 3:
            return weights[name].astype(np.float32)
    return None


def filter_picture(weights: np.ndarray) -> np.ndarray:
    """uint8 ``[height, width, 3]``: mid grey is zero, the 98th percentile of the absolute weights is black or white."""
    reach = np.percentile(np.abs(weights), 98) or 1.0
    return (np.clip(0.5 + weights.transpose(1, 2, 0) / (2 * reach), 0, 1) * 255).round().astype(np.uint8)
