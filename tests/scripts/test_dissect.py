"""dissect: from activations and packed labels to the matrix and the units, whatever the shards."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest

from dissect import main
from robustlens.errors import InputError
from robustlens.images import write_manifest
from robustlens.store import ActivationWriter

ATTRIBUTES = {"model": "net", "image_set": "scenes", "weights_sha256": "abc", "preprocessing": "[0,1]"}
TABLES = ("iou", "categories", "units")
N, SIDE = 10, 8


@pytest.fixture(scope="module")
def planes():
    draw = np.random.default_rng(0)
    planes = np.zeros((N, 2, SIDE, SIDE), np.uint16)
    planes[:, 0] = draw.integers(0, 3, (N, SIDE, SIDE))  # colours 1 and 2
    planes[3:7, 1, 2:5, 3:6] = 3  # an object
    return planes


@pytest.fixture
def labels(tmp_path, planes):
    with h5py.File(tmp_path / "labels.h5", "w") as file:
        file["planes"] = planes
        file["image_labels"] = np.zeros((N, 1), np.uint16)
        file.create_dataset("image_id", data=[f"i{n}" for n in range(N)], dtype=h5py.string_dtype())
        file.attrs["categories"] = json.dumps(["color", "object"])
    concepts = pd.DataFrame({"number": [1, 2, 3], "name": ["red", "blue", "disc"], "category": ["color", "color", "object"]})
    concepts = concepts.assign(n_images=N, pixels=1, area=0.1, perimetric_complexity=1.0)
    concepts.to_parquet(tmp_path / "concepts.parquet")
    return str(tmp_path / "labels.h5"), str(tmp_path / "concepts.parquet")


def dumped(folder, planes, order, n_shards):
    """Layer ``fine``: a unit that is the object, one of noise; layer ``coarse``: two silent units. Images in ``order``."""
    noise = np.random.default_rng(1).normal(size=planes[:, 0].shape)
    layers = {"fine": np.stack([planes[:, 1] == 3, noise], axis=1).astype(np.float32), "coarse": np.zeros((N, 2, 2, 2), np.float32)}
    paths = []
    for number, rows in enumerate(np.array_split(order, n_shards)):
        paths.append(folder / f"shard-{number}.h5")
        shapes = {name: maps.shape[1:] for name, maps in layers.items()}
        with ActivationWriter(paths[-1], [f"i{row}" for row in rows], shapes, ATTRIBUTES, "gzip") as writer:
            for name, maps in layers.items():
                writer.write(name, 0, maps[rows])
    manifest = pd.DataFrame({"image_id": [f"i{row}" for row in order], "label": 0, "shape": 0, "texture": 0, "path": ""})
    write_manifest(folder / "manifest.parquet", manifest)
    return [str(path) for path in paths], str(folder / "manifest.parquet")


def test_a_unit_that_is_a_concept(tmp_path, planes, labels):
    paths = [tmp_path / f"{table}.parquet" for table in TABLES]
    main(*dumped(tmp_path / "a", planes, np.arange(N), 3), *labels, *map(str, paths), model="net", quantile=0.1)
    matrix, of_category, best = map(pd.read_parquet, paths)
    assert matrix.columns.tolist() == [
        *("model", "layer", "unit", "concept", "name", "category", "intersection", "activated", "concept_pixels", "iou")
    ]
    assert len(matrix) == 4 * 3
    assert best.columns.tolist() == ["model", "layer", "unit", "threshold", "n_above", "n_cells", "concept", "name", "category", "iou"]
    assert best.iloc[0].tolist() == ["net", "fine", 0, 0.0, 36, 640, 3, "disc", "object", 1.0]
    assert best["n_above"].tolist() == [36, 64, 0, 0]
    assert best["layer"].tolist() == ["fine", "fine", "coarse", "coarse"]
    assert best["iou"].tolist()[2:] == [0, 0]
    assert of_category.columns.tolist() == ["model", "layer", "unit", "category", "concept", "name", "iou"]
    assert len(of_category) == 4 * matrix["category"].nunique()
    highest = of_category.sort_values("iou", kind="stable").groupby(["layer", "unit"], sort=False).tail(1).set_index(["layer", "unit"])
    assert highest.loc[("fine", 0), ["category", "concept", "iou"]].tolist() == ["object", 3, 1.0]


def test_neither_shards_nor_their_order_change_a_bit(tmp_path, planes, labels):
    for name, order, n_shards in [("a", np.arange(N), 1), ("b", np.arange(N)[::-1], 4)]:
        source = dumped(tmp_path / name, planes, order, n_shards)
        main(*source, *labels, *(str(tmp_path / f"{table}-{name}") for table in TABLES), model="net", quantile=0.005)
    for table in TABLES:
        assert (tmp_path / f"{table}-a").read_bytes() == (tmp_path / f"{table}-b").read_bytes()


def test_other_images_are_refused(tmp_path, planes, labels):
    source = dumped(tmp_path / "a", planes, np.arange(N - 1), 1)
    with pytest.raises(InputError, match="expected the images of .*labels.h5"):
        main(*source, *labels, *(str(tmp_path / table) for table in TABLES), model="net", quantile=0.005)
