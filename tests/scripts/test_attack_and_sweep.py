"""attack_and_sweep: adversarial examples of one shard, decisions by epsilon, and the table of accuracies that is made of them."""

import numpy as np
import pandas as pd
import pytest

import attack_images
from attack_and_sweep import main
from robustlens.errors import InputError
from robustlens.images import read_shard
from robustlens.models.registry import load_model
from robustlens.report.behaviour import ROBUSTNESS, accuracy_by_radius
from robustlens.statistics import wilson
from robustlens.stimuli.adversarial import decide_by_epsilon
from tiny import cut_shards, image_rows, make_model, pictures

SPEC = {"norm": "l2", "eps": 1.0, "step": 0.3, "steps": 3, "random_start": True, "use_best": True}
ASKED = {"spec": SPEC, "epsilons": [0.5, 1.0, 4.0], "seed": 0, "device": "cpu", "batch_size": 20}


def test_shards_become_a_table_of_accuracies(tmp_path):
    model = make_model(tmp_path / "net")
    made = []
    shards = cut_shards(tmp_path, pictures(12), image_rows(12, labels=np.arange(12) % 5), 8)
    for shard, n_images in zip(shards, (8, 2), strict=True):
        made.append(str(tmp_path / f"decisions-{n_images}.parquet"))
        main(*model, str(shard.path), str(tmp_path / f"adversarial-{n_images}.parquet"), made[-1], n_images=n_images, **ASKED)
    decisions = pd.concat([pd.read_parquet(path) for path in made])
    assert decisions.groupby("eps").size().to_dict() == {0.0: 10, 0.5: 10, 1.0: 10, 4.0: 10}
    table = accuracy_by_radius(made)
    assert table.columns.tolist() == ROBUSTNESS and table[["model", "eps", "n_images"]].to_numpy().tolist() == [
        ["net", eps, 10] for eps in (0.0, 0.5, 1.0, 4.0)
    ]
    for row in table.itertuples():
        right = int((decisions["decision"] == decisions["label"])[decisions["eps"] == row.eps].sum())
        assert (row.top1, row.low, row.high) == (right / 10, *wilson(right, 10))


def test_no_curve_is_a_table_without_rows():
    assert accuracy_by_radius([]).columns.tolist() == ROBUSTNESS


def test_images_without_a_label_are_refused(tmp_path):
    (shard,) = cut_shards(tmp_path, pictures(4), image_rows(4, labels=-1), 4)
    with pytest.raises(InputError, match="label"):
        main(
            *make_model(tmp_path / "net"), str(shard.path), str(tmp_path / "a.parquet"), str(tmp_path / "out.parquet"), n_images=4, **ASKED
        )


@pytest.mark.parametrize("store", [{}, {"store": "float"}])
def test_one_job_gives_what_two_would(tmp_path, store):
    """The adversarial examples are those of the attack alone; at the attack's own epsilon they are decided, not made again."""
    model, spec = make_model(tmp_path / "net"), SPEC | store
    (shard,) = cut_shards(tmp_path, pictures(12), image_rows(12, labels=np.arange(12) % 5), 12)
    paths = [str(tmp_path / name) for name in ("swept.parquet", "decisions.parquet", "alone.parquet")]
    main(*model, str(shard.path), *paths[:2], n_images=7, **{**ASKED, "spec": spec})
    attack_images.main(*model, str(shard.path), paths[2], spec=spec, seed=0, device="cpu", batch_size=20)
    swept, alone = read_shard(paths[0]), read_shard(paths[2])
    assert np.array_equal(swept.pixels(), alone.pixels()) and swept.rows.equals(alone.rows) and swept.origin == alone.origin
    asked = {"seed": 0, "batch_size": 20, "n_images": 7}
    anew = decide_by_epsilon(load_model(*model, "cpu"), shard, spec, [0.5, 1.0, 4.0], **asked)
    pd.testing.assert_frame_equal(pd.read_parquet(paths[1]), anew)
