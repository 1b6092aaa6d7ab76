"""The pictures of the unit explorer: each image once, small, in sheets; and the cells of maps where units are on, as bits."""

from pathlib import Path

import numpy as np
import pandas as pd
from h5py import Dataset
from PIL import Image

from robustlens.errors import InputError, refusing
from robustlens.files import replacing
from robustlens.images import read_shard
from robustlens.report.figures_pictures import TILE, shrink

PER_ROW = 4  # tiles of a sheet side by side
PER_SHEET = PER_ROW**2
QUALITY = 80  # of WebP; pictures that were not scaled down are stored without loss
BLOCK_BYTES = 64 * 2**20  # of maps held at once


def write_sheets(folder: Path, shards: list[str], wanted: set[str]) -> tuple[dict[str, int], tuple[int, int]]:
    """Number of each wanted image and (width, height) of a tile in px; writes ``<sheet>.webp``, ``PER_SHEET`` images each.

    Images are numbered from 0 in the order of ``shards``; sheets hold tiles row by row. One shard and one sheet are in memory at a
    time. Raises InputError for an image that no shard has and for pictures of several sizes.
    """
    numbers: dict[str, int] = {}
    tiles: list[np.ndarray] = []
    sizes = set()
    for path in shards:
        shard = read_shard(path)
        shown = shard.take(np.flatnonzero(shard.rows["image_id"].isin(wanted)))
        for rows, pictures in shown.batches(PER_SHEET):
            for image_id, picture in zip(shown.rows["image_id"].iloc[rows], pictures, strict=True):
                if len(tiles) == PER_SHEET:
                    write_sheet(folder / f"{len(numbers) // PER_SHEET - 1}.webp", tiles)
                    tiles.clear()
                numbers[image_id] = len(numbers)
                tiles.append(shrink(picture))
                sizes.add(tiles[-1].shape[1::-1])
            if len(sizes) > 1:
                raise InputError(path, "pictures of one size in all shards", f"sizes {sorted(sizes)}", "give the source a `geometry`")
    if tiles:
        write_sheet(folder / f"{(len(numbers) - 1) // PER_SHEET}.webp", tiles)
    if missing := sorted(wanted - set(numbers)):
        raise InputError(
            "the shards of clean", f"the image {missing[0]} of top_images.parquet", "none of that id", "run measure_maps again"
        )
    return numbers, sizes.pop() if sizes else (1, 1)


def write_sheet(path: Path, tiles: list[np.ndarray]) -> None:
    """Write uint8 ``[height, width, 3]`` tiles of one size as one picture, ``PER_ROW`` side by side."""
    height, width = tiles[0].shape[:2]
    sheet = np.zeros((-(-len(tiles) // PER_ROW) * height, min(len(tiles), PER_ROW) * width, 3), np.uint8)
    for place, tile in enumerate(tiles):
        top, left = place // PER_ROW * height, place % PER_ROW * width
        sheet[top : top + height, left : left + width] = tile
    with replacing(path) as temporary:
        Image.fromarray(sheet).save(temporary, "WEBP", lossless=max(height, width) < TILE, quality=QUALITY)


def masks(maps: Dataset, top: pd.DataFrame) -> np.ndarray:
    """uint8 ``[n_rows, n_bytes]``: of each row of ``top`` (``unit, rank, threshold``) the cells of the unit's map on that image that
    are strictly above the threshold; row by row of the map, eight cells a byte, the first one its highest bit.

    ``maps``: float16 ``[n_units, n_ranks, height, width]``.
    """
    n_units, n_ranks, height, width = maps.shape
    unit, rank, threshold = top["unit"].to_numpy(), top["rank"].to_numpy(), top["threshold"].to_numpy(np.float32)
    bits = np.zeros((len(top), -(-height * width // 8)), np.uint8)
    step = max(1, BLOCK_BYTES // (2 * n_ranks * height * width))
    for start in range(0, n_units, step):
        rows = np.flatnonzero((unit >= start) & (unit < start + step))
        with refusing(maps.file.filename, "maps that can be read", "delete it and run again"):
            block = maps[start : start + step]
        on = block[unit[rows] - start, rank[rows]] > threshold[rows, None, None]
        bits[rows] = np.packbits(on.reshape(len(rows), -1), axis=1)
    return bits
