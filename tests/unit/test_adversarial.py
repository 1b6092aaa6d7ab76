"""Adversarial images as they are stored: worked out on paper, with their norms, and the same bits however the images are cut."""

import numpy as np
import pandas as pd
import pytest
import torch

from robustlens.errors import InputError
from robustlens.images import read_shard, write_shard
from robustlens.inference import Blocks
from robustlens.stimuli.adversarial import attack, decide_by_epsilon
from tiny import HALF, Channels, classifier, coloured, cut_shards, image_rows, little_memory, make_shard, pictures, random_network

PGD = {"norm": "l2", "eps": 1.0, "step": 0.3, "steps": 2, "random_start": True, "use_best": True}


@pytest.fixture(scope="module")
def images():
    return pictures(21), image_rows(21, labels=np.arange(21) % 5)


@pytest.mark.parametrize(
    ("size", "moved"),
    [
        (20.0, (80, 170, 70)),
        (20.6, (79, 171, 71)),  # rounded to the nearest of 256 levels
        (60.0, (40, 210, 110)),
        (110.0, (0, 255, 160)),  # within the range of pixels
    ],
)
def test_an_attack_on_paper(tmp_path, size, moved):
    """Logits are the channel means: for label 0 the loss falls with red and rises with green and blue."""
    shard = make_shard(tmp_path / "shard.parquet", coloured([(100, 150, 50)]), labels=[0])
    spec = {"norm": "linf", "eps": size / 255, "step": size / 510, "steps": 5, "random_start": False, "use_best": False}
    pixels, rows = attack(classifier(Channels()), shard, spec, seed=0, batch_size=1)
    assert np.array_equal(pixels, coloured([moved]))
    change = (np.array(moved) - (100, 150, 50)) / 255
    assert rows["linf"].tolist() == pytest.approx([np.abs(change).max()])
    assert rows["l2"].tolist() == pytest.approx([np.sqrt(16 * (change**2).sum())])  # of 4 x 4 px


def test_the_norms_are_those_of_the_stored_images(tmp_path, images):
    pixels, rows = images[0][:12], images[1][:12]
    model = classifier(random_network(classes=5, width=12), **HALF)
    for norm, eps in (("l2", 1.0), ("linf", 0.05)):
        spec = {**PGD, "norm": norm, "eps": eps, "step": eps / 2}
        moved, table = attack(model, make_shard(tmp_path / "shard.parquet", pixels, rows), spec, seed=0, batch_size=50)
        change = (moved.astype(float) - pixels).reshape(12, -1) / 255
        np.testing.assert_allclose(table["l2"], np.sqrt((change**2).sum(1)), rtol=1e-5)
        np.testing.assert_allclose(table["linf"], np.abs(change).max(1), rtol=1e-5)
        rounding = 0.5 / 255 * (np.sqrt(change.shape[1]) if norm == "l2" else 1)
        assert table[norm].between(0.5 * eps, eps + rounding).all()
        assert moved.dtype == np.uint8 and table["image_id"].tolist() == rows["image_id"].tolist()


@pytest.mark.parametrize(("norm", "eps"), [("l2", 1.0), ("linf", 0.05)])
def test_images_in_float_are_those_of_the_attack(tmp_path, images, norm, eps):
    """The network sees what the attack found, to the bit; the pictures beside it are the images of 8 bits."""
    model = classifier(random_network(classes=5, width=12), **HALF)
    clean = make_shard(tmp_path / "clean.parquet", *images)
    spec = {**PGD, "norm": norm, "eps": eps, "step": eps / 2, "random_start": False}
    moved, rows = attack(model, clean, {**spec, "store": "float"}, seed=0, batch_size=50)
    assert moved.dtype == np.float32 and moved.min() >= 0 and moved.max() <= 1
    change = (moved.astype(float) - images[0] / 255).reshape(21, -1)
    found = np.linalg.norm(change, axis=1) if norm == "l2" else np.abs(change).max(1)
    np.testing.assert_allclose(rows[norm], found, rtol=1e-5)
    assert rows[norm].max() <= eps * (1 + 1e-5)  # where rounding to 8 bits may lead out of the ball
    write_shard(tmp_path / "moved.parquet", rows, pixels=iter(moved), origin={})
    shard = read_shard(tmp_path / "moved.parquet")
    seen = {}

    def look(pixels, rows):
        seen[rows.start] = pixels[: rows.stop - rows.start].permute(0, 2, 3, 1).numpy()

    for _ in Blocks(torch.device("cpu"), 50, len(shard)).run(shard, look):
        pass
    assert np.array_equal(np.concatenate(list(seen.values())), moved)
    rounded, _ = attack(model, clean, spec, seed=0, batch_size=50)
    assert np.array_equal(shard.pixels(), rounded) and "float" not in shard.rows


@pytest.mark.parametrize("architecture", ["alexnet", "googlenet", "resnet"])
def test_attacks_are_the_same_bits_whatever_the_batch_and_the_shards(tmp_path, architecture, images):
    pixels, rows = images
    network = classifier(random_network(architecture, classes=5), **HALF)
    shard = make_shard(tmp_path / "shard.parquet", pixels, rows)
    whole = attack(network, shard, PGD, seed=0, batch_size=50)
    for batch_size in (1, 7, 200):
        moved, norms = attack(network, shard, PGD, seed=0, batch_size=batch_size)
        assert np.array_equal(moved, whole[0]) and norms.equals(whole[1])
    parts = [attack(network, part, PGD, seed=0, batch_size=50) for part in cut_shards(tmp_path, pixels, rows, 8)]
    assert np.array_equal(np.concatenate([moved for moved, _ in parts]), whole[0])
    assert pd.concat([norms for _, norms in parts], ignore_index=True).equals(whole[1])
    assert not np.array_equal(attack(network, shard, PGD, seed=1, batch_size=50)[0], whole[0])


def test_an_attack_that_runs_out_of_memory_goes_on_with_the_same_images(tmp_path, images, monkeypatch, caplog):
    caplog.set_level("INFO", "robustlens")
    shard = make_shard(tmp_path / "shard.parquet", images[0], image_rows(21, labels=np.arange(21) % 3))
    moved, rows = attack(classifier(Channels()), shard, PGD, seed=0, batch_size=200)
    little_memory(monkeypatch, 10)
    again, rows_again = attack(classifier(Channels()), shard, PGD, seed=0, batch_size=200)
    assert np.array_equal(again, moved) and rows_again.equals(rows)
    assert caplog.messages[-1] == "batch size 6 (asked for: 200)" and caplog.messages[-2].startswith("21 of 21 images, ")


@pytest.mark.parametrize("label", [-1, 3])
def test_an_image_without_a_class_of_the_network_cannot_be_attacked(tmp_path, label):
    shard = make_shard(tmp_path / "shard.parquet", coloured([(255, 0, 0)] * 2), labels=[0, label])
    with pytest.raises(InputError, match=rf"\[image-1\]: expected a label below the 3 classes of net, got {label}"):
        attack(classifier(Channels()), shard, PGD, seed=0, batch_size=10)


# -------------------------------------------------------------------------------------------------------------------- by radius
def test_decisions_by_radius_on_paper(tmp_path):
    """Logits are the channel means: an Linf attack moves red down and green up by its radius, so that green wins beyond half the gap."""
    shard = make_shard(tmp_path / "shard.parquet", coloured([(120, 100, 50), (140, 100, 50), (90, 100, 50)]), labels=[0, 0, 0])
    spec = {"norm": "linf", "eps": 1 / 255, "step": 0.5 / 255, "steps": 2, "random_start": False, "use_best": False}
    radii = [9 / 255, 11 / 255, 21 / 255]
    table = decide_by_epsilon(classifier(Channels()), shard, spec, radii, seed=0, batch_size=2, n_images=2)
    assert table.columns.tolist() == ["model", "eps", "image_id", "label", "decision"]
    assert table["eps"].tolist() == [eps for eps in (0.0, *radii) for _ in range(2)] and (table["label"] == 0).all()
    assert table["decision"].tolist() == [0, 0, 0, 0, 1, 0, 1, 1]
    assert table["image_id"].tolist() == 4 * shard.rows["image_id"].tolist()[:2]


def test_decisions_at_the_attack_s_own_radius_are_those_on_its_images(tmp_path, images):
    """Also however the images are cut; half the radius has half the step."""
    model, whole = classifier(random_network(classes=5, width=12), **HALF), make_shard(tmp_path / "shard.parquet", *images)
    asked = {"seed": 3, "batch_size": 50}
    table = decide_by_epsilon(model, whole, PGD, [0.5, 1.0], n_images=21, **asked)
    for eps in (0.5, 1.0):
        moved, _ = attack(model, whole, {**PGD, "eps": eps, "step": PGD["step"] * eps}, **asked)
        with torch.inference_mode():
            inputs = torch.from_numpy(moved).permute(0, 3, 1, 2).float() / 255
            decided = model(inputs.contiguous(memory_format=torch.channels_last)).argmax(1)
        assert table.loc[table["eps"] == eps, "decision"].tolist() == decided.tolist()
    parts = [decide_by_epsilon(model, part, PGD, [0.5, 1.0], n_images=len(part), **asked) for part in cut_shards(tmp_path, *images, 8)]
    together = pd.concat(parts).sort_values("eps", kind="stable", ignore_index=True)
    pd.testing.assert_frame_equal(together, table)
