"""train_model: weights before and after, a card, a curve, and nothing written when the training cannot be."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import train_part
from measure_filters import main as measure_filters
from robustlens.errors import InputError
from robustlens.models.registry import load_model
from robustlens.models.training import CURVE
from tiny import RECIPE_DEFAULTS, coloured, cut_shards, image_rows, make_shard, spec_of
from train_model import main

RECIPE = {"epochs": 4, "batch_size": 10, "learning_rate": 0.02, "weight_decay": 0.0, **RECIPE_DEFAULTS}
FILES = ("weights.safetensors", "initial.safetensors", "card.json", "training.parquet")


@pytest.fixture
def shards(tmp_path):
    """30 pictures of three colours, in shards of 12."""
    rows = image_rows(30, labels=np.arange(30) % 3)
    pixels = coloured([((200, 60, 60), (60, 200, 60), (60, 60, 200))[label] for label in rows["label"]], side=12)
    return [str(shard.path) for shard in cut_shards(tmp_path / "shards", pixels, rows, 12, list("rgb"))]


def run(folder, shards, spec=None, recipe=RECIPE, seed=0):
    files = [str(folder / name) for name in FILES]
    spec = spec or spec_of(classes=3, width=8)
    main(shards, [], [], *files, model="net", spec=spec, source="train", recipe=recipe, seed=seed, device="cpu", gpu=1)
    return files


def test_a_network_is_trained(tmp_path, shards):
    weights, initial, card, training = run(tmp_path / "net", shards)
    description = json.loads((tmp_path / "net" / "card.json").read_text())
    assert description["training"] == {"recipe": RECIPE, "source": "train", "n_images": 30, "seed": 0, "processes": 1}
    assert {key: description[key] for key in spec_of(classes=3, width=8)} == spec_of(classes=3, width=8)
    assert description["model"] == "net" and description["input"] == "[0,1] RGB"
    assert description["classes"] == list("rgb")
    history = pd.read_parquet(training)
    assert history.columns.tolist() == CURVE and len(history) == 4
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    model = load_model(weights, card, "cpu")
    measure_filters([weights], [card], [initial], str(tmp_path / "filters.parquet"), models=["net"], trained=["net"])
    filters = pd.read_parquet(tmp_path / "filters.parquet").set_index("weights")
    assert len(filters.loc["trained"]) == len(filters.loc["initial"]) == 4 + 4 * 8
    assert not np.allclose(filters.loc["trained", "total_variation"], filters.loc["initial", "total_variation"])
    assert next(model.network.parameters()).device == torch.device("cpu")


def test_images_held_out_have_the_classes_that_are_learned(tmp_path, shards):
    other = make_shard(tmp_path / "other.parquet", coloured([(0, 0, 0)] * 3, side=12), classes=["g", "b", "r"])
    files = [str(tmp_path / name) for name in FILES]
    asked = {"spec": spec_of(classes=3, width=8), "source": "train", "recipe": RECIPE, "seed": 0, "device": "cpu", "gpu": 1}
    with pytest.raises(
        InputError, match=r"models.net: expected labels by the 3 classes that it learned \(r, g, b\), got 3 classes \(g, b, r\)"
    ):
        main(shards, [str(other.path)], [], *files, model="net", **asked)


def test_a_layer_that_is_none_is_refused_before_the_training(tmp_path, shards):
    files, given = [str(tmp_path / name) for name in FILES], {"model": "net", "spec": spec_of(classes=3, width=8), "recipe": RECIPE}
    with pytest.raises(InputError, match=r"^models.net.layers: expected a module of the network such as .*conv3.*, got conv9; "):
        main(shards, [], [], *files, **given, source="train", seed=0, device="cpu", gpu=1, layers=["conv1", "conv9"])
    with pytest.raises(InputError, match=r"^models.net.layers: .* got conv9; "):
        train_part.main(shards, [], [], files[0], **given, epochs=[0, 1], seed=0, device="cpu", gpu=1, layers=["conv9"])
    assert not any(Path(file).exists() for file in files)


def test_the_same_seed_gives_the_same_files(tmp_path, shards):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(tmp_path / name, shards, seed=seed)
    for file in FILES:
        one, again, other = ((tmp_path / name / file).read_bytes() for name in "abc")
        assert one == again and one != other


@pytest.mark.parametrize("length", [1, 3])
def test_a_training_cut_into_jobs_gives_the_same_files(tmp_path, shards, length):
    expected, before = run(tmp_path / "whole", shards), []
    values = {"model": "net", "spec": spec_of(classes=3, width=8), "recipe": RECIPE, "seed": 0, "device": "cpu", "gpu": 1}
    for first in range(0, 4 - length, length):
        after = str(tmp_path / f"epoch-{first + length}.safetensors")
        train_part.main(shards, [], before, after, epochs=[first, first + length], **values)
        before = after
    files = [str(tmp_path / "cut" / name) for name in FILES]
    main(shards, [], before, *files, source="train", **values)
    for one, other in zip(expected, files, strict=True):
        assert Path(one).read_bytes() == Path(other).read_bytes()


def test_a_network_that_cannot_be_built_or_fed_leaves_no_weights(tmp_path, shards):
    with pytest.raises(InputError, match="models.net.architecture"):
        run(tmp_path / "net", shards, {**spec_of(classes=3), "architecture": "robustlens.models.miniature:vgg"})
    with pytest.raises(InputError, match="below the 2 classes of net"):
        run(tmp_path / "net", shards, spec_of(classes=2, width=8))
    assert not (tmp_path / "net" / "weights.safetensors").exists()


def test_a_network_without_mean_and_std_gets_imagenets(tmp_path, shards):
    spec = {**spec_of(classes=3, width=8), "mean": None, "std": None}
    card = json.loads(Path(run(tmp_path / "net", shards, spec)[2]).read_text())
    assert (card["mean"], card["std"]) == ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
