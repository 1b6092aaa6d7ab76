"""The strongest images of each unit, whatever the order in which they come."""

import numpy as np
import pandas as pd
import pytest

from robustlens.errors import InputError
from robustlens.neurons.top_images import TopImages


def test_strongest_images_on_paper():
    maps = np.zeros((3, 2, 2, 3), np.float16)
    maps[0, 0, 1, 2] = 5
    maps[1, 0, 0, 1] = 7
    maps[:, 1] = -1  # equal everywhere: the ids decide, and the first cell
    strongest = TopImages(2, 2)
    strongest.add(["c", "bb", "a"], maps)
    assert list(strongest.result().itertuples(index=False, name=None)) == [
        (0, 0, "bb", 7, 0, 1),
        (0, 1, "c", 5, 1, 2),
        (1, 0, "a", -1, 0, 0),
        (1, 1, "bb", -1, 0, 0),
    ]
    assert strongest.maps().dtype == np.float16
    assert (strongest.maps() == maps[[[1, 0], [2, 1]], [[0], [1]]]).all()
    assert strongest.result().dtypes.astype(str).to_dict() | {"image_id": ""} == {
        **{"unit": "int32", "rank": "int32", "image_id": "", "activation": "float32", "row": "int32", "column": "int32"}
    }


def test_cutting_and_merging_otherwise_changes_nothing():
    draw = np.random.default_rng(1)
    maps = draw.integers(-3, 4, (50, 4, 3, 5)).astype(np.float16)  # many ties
    ids = [f"image-{n}" for n in range(50)]
    whole = TopImages(4, 7)
    whole.add(ids, maps)
    order = draw.permutation(50)
    parts = []
    for rows in np.array_split(order, 4):
        parts.append(TopImages(4, 7))
        for row in np.array_split(rows, 3):
            parts[-1].add([ids[i] for i in row], maps[row])
    first, *others = parts
    for other in others[::-1]:
        first.merge(other)
    pd.testing.assert_frame_equal(first.result(), whole.result(), check_exact=True)
    image = whole.result()["image_id"].map(ids.index).to_numpy().reshape(4, 7)
    assert (first.maps() == whole.maps()).all() and (whole.maps() == maps[image, np.arange(4)[:, None]]).all()


def test_fewer_images_than_ranks():
    strongest = TopImages(2, 10)
    strongest.add(["a", "b"], np.ones((2, 2, 1, 1), np.float32))
    assert strongest.result().groupby("unit").size().tolist() == [2, 2]
    assert strongest.maps().shape == (2, 2, 1, 1) and TopImages(2, 10).maps().size == 0


def test_no_rank_is_refused():
    with pytest.raises(InputError, match="top_images"):
        TopImages(2, 0)
