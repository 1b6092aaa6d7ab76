"""verify_model: the accuracy of a network that is brought against the one that the config expects."""

import json

import numpy as np
import pytest
import torch

from robustlens.errors import InputError
from robustlens.models.registry import load_model
from tiny import image_rows, make_model, make_shard, pictures
from verify_model import main

ASKED = {"expected": None, "classes": None, "sixteen_by": "mean", "n_images": None, "device": "cpu", "batch_size": 4}


@pytest.fixture
def model(tmp_path):
    return make_model(tmp_path / "net")


@pytest.fixture
def shards(tmp_path, model):
    """Two shards of 8 and 4 images, whose labels are what the network answers but for the first image of each."""
    paths = []
    for number, n_images in enumerate((8, 4)):
        pixels = pictures(n_images, seed=number)
        with torch.inference_mode():
            logits = load_model(*model, "cpu")(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2) / 255)
        labels = logits.argmax(1).numpy()
        labels[0] = (labels[0] + 1) % logits.shape[1]
        rows = image_rows(n_images, labels=labels.tolist())
        paths.append(str(make_shard(tmp_path / f"{number}.parquet", pixels, rows).path))
    return paths


def test_all_images(tmp_path, model, shards):
    main(*model, shards, str(tmp_path / "verified.json"), **ASKED | {"expected": 0.85})
    found = json.loads((tmp_path / "verified.json").read_text())
    assert found["n_images"] == 12 and found["top1"] == 10 / 12 and found["low"] < 10 / 12 < found["high"]
    assert found["least"] <= 10 / 12 <= found["most"] and found["expected"] == 0.85


def test_some_of_them_spread_over_the_shards(tmp_path, model, shards):
    main(*model, shards, str(tmp_path / "verified.json"), **ASKED | {"n_images": 3})  # rows 0, 4 and 8: 0 and 8 are the wrong ones
    found = json.loads((tmp_path / "verified.json").read_text())
    assert found["n_images"] == 3 and found["top1"] == 1 / 3 and found["expected"] is None


def test_another_accuracy_stops_and_leaves_nothing(tmp_path, model, shards):
    with pytest.raises(InputError, match=r"models.net.top1: expected 0.2000 on clean, that is .*, got 0.8333 \(10 of 12 images"):
        main(*model, shards, str(tmp_path / "verified.json"), **ASKED | {"expected": 0.2})
    assert not (tmp_path / "verified.json").exists()
