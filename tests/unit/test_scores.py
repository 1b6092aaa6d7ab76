"""read_scores: the scores of all shards are those of all images."""

import numpy as np
import pandas as pd
import pytest

import ablate_units
from robustlens.errors import InputError
from robustlens.report.tables import read_scores
from tiny import cut_shards, image_rows, make_model, pictures

ROWS = image_rows(30, shape=np.arange(30) % 5, texture=np.arange(2, 32) % 5)


@pytest.fixture
def scores(tmp_path):
    """A function that ablates 30 images, or those given, in shards of a size, and gives the paths of the scores."""
    weights, card = make_model(tmp_path / "net")

    def run(size, rows=ROWS, layers=("conv1", "conv2")):
        paths = []
        for number, shard in enumerate(cut_shards(tmp_path / f"images-{size}", pictures(len(rows)), rows, size)):
            paths.append(str(tmp_path / f"scores-{size}-{number}.parquet"))
            values = {
                "layers": list(layers),
                "n_images": len(shard),
                "device": "cpu",
                "batch_size": 7,
                "classes": None,
                "sixteen_by": "mean",
            }
            ablate_units.main(weights, card, str(shard.path), paths[-1], **values)
        return paths

    return run


def test_shards_change_no_score(scores):
    whole = pd.read_parquet(scores(30)[0])
    for size in (30, 10, 7):
        pd.testing.assert_frame_equal(read_scores(scores(size)), whole)


def test_models_are_added_up_apart(tmp_path, scores):
    paths = scores(15)
    other = pd.read_parquet(paths[0]).assign(model="other")
    other.to_parquet(tmp_path / "other.parquet")
    found = read_scores([*paths, str(tmp_path / "other.parquet")])
    pd.testing.assert_frame_equal(found[found["model"] == "other"].reset_index(drop=True), other)
    pd.testing.assert_frame_equal(found[found["model"] == "net"], read_scores(paths))


def test_without_shards_there_are_no_scores():
    assert read_scores([]).columns.tolist() == ["model", "layer", "unit"]


def test_shards_of_other_units_are_refused(scores):
    paths = [*scores(30), *scores(15, layers=["conv1"])]
    with pytest.raises(InputError, match=r"scores-15-0.parquet: expected the units of .*scores-30-0.parquet, got others; delete it"):
        read_scores(paths)


def test_images_without_cues_are_refused(scores):
    expected = "ablation.stimulus: expected images whose shape and texture belong to different classes, got none"
    with pytest.raises(InputError, match=expected):
        read_scores(scores(3, image_rows(3)))
