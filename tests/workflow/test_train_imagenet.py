"""studies/train-imagenet.yaml: what it asks for, and two of its six trainings, real networks on tiny files in the real layout.

The same trainings of smaller networks: test_real_formats.py.
"""

import json

import pandas as pd
import pytest
import yaml

from imagenet_tree import STEMS, save, two_classes
from robustlens.models.registry import load_model
from runs import REPOSITORY, jobs, snakemake

STUDY = REPOSITORY / "studies/train-imagenet.yaml"
RECIPES = ("standard", "adversarial", "standard-without-normalisation", "adversarial-without-normalisation")


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A folder with four pictures to train on, four to look on, and what of the study is shorter for them."""
    folder = tmp_path_factory.mktemp("train-imagenet")
    for number, stem in enumerate(STEMS):
        wnid = list(two_classes()["wnid"])[number // 2]
        save(folder / "train" / wnid / f"{wnid}_{number}.JPEG", number, 250, 290)
        save(folder / "val" / wnid / f"{stem}.JPEG", 10 + number, 240, 300)
    shorter = {"epochs": 2, "epochs_per_job": 1, "batch_size": 2, "step_epochs": 1, "validate": {"n_images": 4}}
    config = {
        "paths": {"train": {"path": str(folder / "train")}, "imagenet": {"path": str(folder / "val")}},
        "sources": {"train": {"n_images": 4, "images_per_shard": 3}, "clean": {"n_images": 4}},
        "training": {name: {**shorter, **({"attack": {"step": 1.5, "steps": 2}} if "adversarial" in name else {})} for name in RECIPES},
        **{section: {"n_images": None} for section in ("activations", "robustness", "ablation")},
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.mark.parametrize("per_shard", [50_000, pytest.param(5_000, marks=pytest.mark.full)])
def test_a_dry_run_shows_every_part_of_the_trainings(mine, tmp_path, per_shard):
    """5,000 images a shard: of the study."""
    config = {"paths": yaml.safe_load((mine / "mine.yaml").read_text())["paths"], "images_per_shard": per_shard}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config))
    found = jobs(tmp_path, config=[STUDY, tmp_path / "mine.yaml"])
    assert found["train_model"] == 6 and found["train_part"] == 6 * (90 / 5 - 1)
    assert found["index_images"] == 13 + 50_000 // per_shard and found["fetch_download"] == 1  # of 1,281,167 pictures and of 50,000


@pytest.mark.full
def test_the_networks_are_trained_in_parts_with_a_curve_on_images_held_out(mine):
    models = ("alexnet-r", "googlenet-s")  # without and with normalisation, against an attack and without
    targets = [f"results/models/{name}/training.parquet" for name in models]
    snakemake(mine, *targets, "--quiet", "host", config=[STUDY, mine / "mine.yaml"])
    for name in models:
        folder = mine / "results/models" / name
        curve = pd.read_parquet(folder / "training.parquet")
        assert list(curve["epoch"]) == [0, 1] and curve[["loss", "clean_accuracy"]].notna().all(axis=None)
        assert curve["robust_accuracy"].notna().all() == name.endswith("-r")
        card = json.loads((folder / "card.json").read_text())
        recipe = card["training"]["recipe"]
        assert (recipe["optimiser"], recipe["schedule"], recipe["precision"], recipe["step_epochs"]) == ("sgd", "step", "bfloat16", 1)
        assert recipe["learning_rate"] == (0.01 if name.startswith("alexnet") else 0.1) and card["mean"] == [0.485, 0.456, 0.406]
        network = load_model(str(folder / "weights.safetensors"), str(folder / "card.json"), "cpu").network
        assert type(network).__name__.lower() in ("alexnet", "googlenet", "resnet")
    assert not list(mine.glob("results/models/*/epoch-*"))
