"""trace_robustness: decisions by radius of one shard, and the table of accuracies that is made of them."""

import numpy as np
import pandas as pd
import pytest

from robustlens.errors import InputError
from robustlens.report.behaviour import ROBUSTNESS, accuracy_by_radius
from robustlens.statistics import wilson
from tiny import cut_shards, image_rows, make_model, pictures
from trace_robustness import main

SPEC = {"norm": "l2", "eps": 1.0, "step": 0.3, "steps": 3, "random_start": True, "use_best": True}
ASKED = {"spec": SPEC, "radii": [0.5, 4.0], "seed": 0, "device": "cpu", "batch_size": 20}


def test_shards_become_a_table_of_accuracies(tmp_path):
    model = make_model(tmp_path / "net")
    made = []
    shards = cut_shards(tmp_path, pictures(12), image_rows(12, labels=np.arange(12) % 5), 8)
    for shard, n_images in zip(shards, (8, 2), strict=True):
        made.append(str(tmp_path / f"decisions-{n_images}.parquet"))
        main(*model, str(shard.path), made[-1], n_images=n_images, **ASKED)
    decisions = pd.concat([pd.read_parquet(path) for path in made])
    assert decisions.groupby("eps").size().to_dict() == {0.0: 10, 0.5: 10, 4.0: 10}
    table = accuracy_by_radius(made)
    assert table.columns.tolist() == ROBUSTNESS and table[["model", "eps", "n_images"]].to_numpy().tolist() == [
        ["net", eps, 10] for eps in (0.0, 0.5, 4.0)
    ]
    for row in table.itertuples():
        right = int((decisions["decision"] == decisions["label"])[decisions["eps"] == row.eps].sum())
        assert (row.top1, row.low, row.high) == (right / 10, *wilson(right, 10))


def test_no_curve_is_a_table_without_rows():
    assert accuracy_by_radius([]).columns.tolist() == ROBUSTNESS


def test_images_without_a_label_are_refused(tmp_path):
    (shard,) = cut_shards(tmp_path, pictures(4), image_rows(4, labels=-1), 4)
    with pytest.raises(InputError, match="label"):
        main(*make_model(tmp_path / "net"), str(shard.path), str(tmp_path / "out.parquet"), n_images=4, **ASKED)
