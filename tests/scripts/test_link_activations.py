"""link_activations: the view of the first images of a manifest."""

import numpy as np
import pandas as pd
import pytest

from link_activations import main
from robustlens.errors import InputError
from robustlens.images import write_manifest
from robustlens.store import ActivationWriter, open_store

ATTRIBUTES = {"model": "net", "image_set": "clean", "weights_sha256": "abc", "preprocessing": "[0,1]"}


@pytest.fixture
def files(tmp_path):
    ids = [f"i{n}" for n in range(6)]
    write_manifest(tmp_path / "manifest.parquet", pd.DataFrame({"image_id": ids, "label": 0, "shape": 0, "texture": 0, "path": ""}))
    shards = []
    for number, rows in enumerate([ids[:2], ids[2:4]]):
        shards.append(str(tmp_path / f"shard-{number}.h5"))
        with ActivationWriter(shards[-1], rows, {"conv": (1, 2, 2)}, ATTRIBUTES, "none") as writer:
            writer.write("conv", 0, np.full((2, 1, 2, 2), number, np.float32))
    return str(tmp_path / "manifest.parquet"), shards, str(tmp_path / "view.h5")


def test_first_images_of_the_manifest(files):
    manifest, shards, view = files
    main(manifest, shards, view, n_images=4)
    with open_store(view) as store:
        assert store.image_ids == ["i0", "i1", "i2", "i3"]
        assert store.images("conv", store.image_ids)[:, 0, 0, 0].tolist() == [0, 0, 1, 1]


def test_all_images_of_the_manifest_are_asked_for(files):
    with pytest.raises(InputError, match="2 missing, first 'i4'"):
        main(*files, n_images=None)
