"""attack_images: one shard of adversarial images with their norms and their origin."""

import json

import numpy as np
import pytest

from attack_images import main
from robustlens.images import read_shard
from tiny import cut_shards, image_rows, make_model, pictures

SPEC = {"norm": "l2", "eps": 1.0, "step": 0.3, "steps": 3, "random_start": True, "use_best": True, "source": "clean"}


@pytest.fixture
def model(tmp_path):
    return make_model(tmp_path / "net")


def run(folder, model, shards, seed=0):
    made = []
    for shard in shards:
        path = folder / shard.path.name
        main(*model, str(shard.path), str(path), spec=SPEC, seed=seed, device="cpu", batch_size=20)
        made.append(read_shard(path))
    return made


def test_the_shard_says_what_was_done(tmp_path, model):
    clean = cut_shards(tmp_path, pictures(12), image_rows(12, labels=np.arange(12) % 5), 12)
    (shard,) = run(tmp_path / "adversarial", model, clean)
    assert shard.rows.columns.tolist() == ["image_id", "label", "shape", "texture", "sha256", "l2", "linf"]
    columns = ["image_id", "label", "shape", "texture"]
    assert shard.rows[columns].equals(clean[0].rows[columns])
    assert not set(shard.rows["sha256"]) & set(clean[0].rows["sha256"])
    change = (shard.pixels().astype(float) - clean[0].pixels()).reshape(12, -1) / 255
    np.testing.assert_allclose(shard.rows["l2"], np.linalg.norm(change, axis=1), rtol=1e-5)
    np.testing.assert_allclose(shard.rows["linf"], np.abs(change).max(1), rtol=1e-5)
    card = json.loads((tmp_path / "net" / "card.json").read_text())
    assert shard.origin == {"attack": SPEC, "model": "net", "weights_sha256": card["sha256"], "seed": 0}


def test_the_size_of_the_shards_changes_no_image(tmp_path, model, digests):
    rows = image_rows(12, labels=np.arange(12) % 5)
    whole = run(tmp_path / "a", model, cut_shards(tmp_path / "one", pictures(12), rows, 12))
    parts = run(tmp_path / "b", model, cut_shards(tmp_path / "three", pictures(12), rows, 5))
    assert digests(whole) == digests(parts) and len(digests(whole)) == 12
    assert digests(whole) != digests(run(tmp_path / "c", model, cut_shards(tmp_path / "one", pictures(12), rows, 12), seed=1))
