"""The sheet of strongest images: the pictures of its rows, dark where the unit is off, by a case on paper."""

import numpy as np
import pandas as pd

from robustlens.images import write_shard
from robustlens.neurons.top_maps import write_top_maps
from robustlens.report.figures_top_images import DIMMED, TopPictures, dimmed

DARK = int(200 * DIMMED)


def test_the_lower_right_quarter_of_five_by_four_pixels_stays_bright():
    """Of five rows the first three belong to the first of two rows of cells, of four columns the first two to the first."""
    found = dimmed(np.full((5, 4, 3), 200, np.uint8), np.array([[False, False], [False, True]]))
    assert found.dtype == np.uint8 and found[..., 0].tolist() == [[DARK] * 4] * 3 + [[DARK, DARK, 200, 200]] * 2


def test_each_row_has_its_own_picture_and_mask(tmp_path):
    shards = []
    for number, grey in enumerate((100, 200)):
        rows = pd.DataFrame({"image_id": [f"image-{number}"], "label": [0], "shape": [0], "texture": [0]})
        shards.append(str(tmp_path / f"shard-{number}.parquet"))
        write_shard(shards[-1], rows, pixels=iter([np.full((2, 2, 3), grey, np.uint8)]), origin={})
    units = tmp_path / "net/scenes/units.parquet"
    units.parent.mkdir(parents=True)
    pd.DataFrame({"layer": ["x", "x", "fc"], "unit": [0, 1, 0], "threshold": [1.0, 5.0, 9.0]}).to_parquet(units)
    maps = np.zeros((2, 2, 2, 2), np.float16)
    maps[0, 1] = [[2, 1], [1, 1]]  # of the second image of unit 0; unit 1 is never on
    write_top_maps(tmp_path / "net/top_maps.h5", {"x": maps, "fc": np.zeros((1, 1, 1, 1), np.float16)})
    pictures = TopPictures(shards, [str(units)], [str(tmp_path / "net/top_maps.h5")])
    ids = ["image-1", "image-0", "image-0", "nowhere"]
    rows = pd.DataFrame({"model": "net", "layer": ["x", "x", "fc", "x"], "unit": [0, 1, 0, 0], "rank": [1, 0, 0, 0], "image_id": ids})
    bright, dark, one_cell, missing = pictures.tiles(rows, "scenes")
    assert bright[..., 0].tolist() == [[200, DARK], [DARK, DARK]] and (dark == int(100 * DIMMED)).all()
    assert (one_cell == 100).all() and missing is None
    assert (pictures.tiles(rows, "other")[0] == 200).all()  # without thresholds nothing is dimmed
