"""dump_activations: the maps of the layers, image by image, as the network gives them."""

import json

import numpy as np
import pytest
import torch

from dump_activations import main
from link_activations import main as link_activations
from robustlens.errors import InputError
from robustlens.images import write_manifest
from robustlens.models.registry import load_model
from robustlens.store import open_store
from tiny import coloured, cut_shards, image_rows, little_memory, make_model, pictures

LAYERS = ["conv1", "conv3"]
MACHINE = {"compression": "none", "device": "cpu", "batch_size": 20}


@pytest.fixture
def model(tmp_path):
    return make_model(tmp_path / "net")


@pytest.fixture
def dump(tmp_path, model):
    def run(shard, name="a.h5", **changes):
        image_set = {key: changes.pop(key, default) for key, default in (("n_images", None), ("scaling", "own"))}
        settings = {"image_sets": {changes.pop("image_set", "clean"): image_set}, "layers": LAYERS, **MACHINE}
        main(*model, [str(shard.path)], [str(tmp_path / name)], **{**settings, **changes})
        return tmp_path / name

    return run


def read(path):
    """Ids, and the maps of each layer."""
    with open_store(path) as store:
        found = {layer: np.concatenate([maps for _, maps in store.blocks(layer)]) for layer in store.layers}
        return list(store.image_ids), found, dict(store.attributes)


def test_maps_are_those_of_the_network(tmp_path, model, dump):
    pixels = pictures(60)
    (shard,) = cut_shards(tmp_path, pixels, image_rows(60), 60)
    ids, maps, attributes = read(dump(shard))
    network = load_model(*model, "cpu", LAYERS)
    images = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25
    with torch.no_grad():
        first = network.network.conv1(images)
    assert ids == [f"image-{n}" for n in range(60)] and list(maps) == LAYERS
    assert maps["conv1"].shape == (60, 4, 8, 8) and maps["conv3"].shape == (60, 8, 2, 2)
    np.testing.assert_allclose(maps["conv1"], first.numpy(), rtol=2e-3, atol=1e-4)  # float16
    card = json.loads((tmp_path / "net" / "card.json").read_text())
    assert attributes["weights_sha256"] == card["sha256"] and attributes["model"] == "net" and attributes["image_set"] == "clean"
    assert attributes["preprocessing"] == "[0,1] RGB, mean [0.5, 0.5, 0.5], std [0.25, 0.25, 0.25]"


def test_several_image_sets_in_one_job(tmp_path, model, dump):
    shards = [cut_shards(tmp_path / name, pictures(9, seed=seed), image_rows(9), 9)[0] for seed, name in enumerate(("clean", "noisy"))]
    alone = [read(dump(shard, f"{n}.h5", image_set=name)) for n, (name, shard) in enumerate(zip(("clean", "noisy"), shards, strict=True))]
    paths = [str(tmp_path / f"{name}.h5") for name in ("clean", "noisy")]
    sets = {name: {"n_images": None, "scaling": "own"} for name in ("clean", "noisy")}
    main(*model, [str(shard.path) for shard in shards], paths, image_sets=sets, layers=LAYERS, **MACHINE)
    for path, (ids, maps, attributes) in zip(paths, alone, strict=True):
        found = read(path)
        assert found[0] == ids and found[2] == attributes
        assert all(np.array_equal(found[1][layer], maps[layer]) for layer in LAYERS)


def test_chosen_units_of_a_layer(tmp_path, dump):
    (shard,) = cut_shards(tmp_path, pictures(9), image_rows(9), 9)
    _, whole, _ = read(dump(shard))
    _, some, attributes = read(dump(shard, "b.h5", layers=["conv1", {"layer": "conv3", "units": [5, 0]}]))
    assert np.array_equal(some["conv1"], whole["conv1"]) and np.array_equal(some["conv3"], whole["conv3"][:, [5, 0]])
    assert attributes["units"] == {"conv3": [5, 0]}
    with pytest.raises(InputError, match="layer conv3: expected units below 8, got 8"):
        dump(shard, "c.h5", layers=[{"layer": "conv3", "units": [8]}])
    assert not (tmp_path / "c.h5").exists()


@pytest.mark.parametrize(("scaling", "mean", "std"), [("lite", 109.54 / 255, 0.224), ("lite-twice", 109.54 / 255 + 0.224 * 0.5, 0.224 / 4)])
def test_inputs_scaled_as_by_netdissect_lite(tmp_path, model, dump, scaling, mean, std):
    """Of a blue picture: the network's own mean 0.5 and deviation 0.25 come after, or not at all."""
    (shard,) = cut_shards(tmp_path, coloured([(0, 0, 200)], 8), image_rows(1), 1)
    _, maps, attributes = read(dump(shard, scaling=scaling))
    network = load_model(*model, "cpu", LAYERS)
    offsets = torch.tensor([124.69, 118.69]) / 255 + (0.224 * 0.5 if scaling == "lite-twice" else 0)
    seen = torch.cat([(0 - offsets) / std, torch.tensor([(200 / 255 - mean) / std])]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    with torch.no_grad():
        np.testing.assert_allclose(maps["conv1"], network.network.conv1(seen).numpy(), rtol=2e-3, atol=1e-3)
    assert attributes["preprocessing"].endswith(f"scaled as {scaling}")


@pytest.mark.parametrize("n_images", [1, 49, 50, 51, 60, 99])
def test_only_the_first_images(tmp_path, dump, n_images):
    (shard,) = cut_shards(tmp_path, pictures(60), image_rows(60), 60)
    ids, maps, _ = read(dump(shard, n_images=n_images, batch_size=30))
    assert ids == [f"image-{n}" for n in range(min(n_images, 60))]
    _, whole, _ = read(dump(shard, "whole.h5"))
    assert all(np.array_equal(maps[layer], whole[layer][: len(ids)]) for layer in LAYERS)


def test_shards_make_the_same_view(tmp_path, dump):
    rows = image_rows(60)
    write_manifest(tmp_path / "manifest.parquet", rows)
    found = []
    for size, batch_size in ((60, 50), (25, 7)):
        shards = cut_shards(tmp_path / str(size), pictures(60), rows, size)
        paths = [str(dump(shard, f"{size}-{n}.h5", batch_size=batch_size)) for n, shard in enumerate(shards)]
        link_activations(str(tmp_path / "manifest.parquet"), paths, str(tmp_path / f"{size}.h5"), n_images=None)
        found.append(read(tmp_path / f"{size}.h5")[:2])
    assert found[0][0] == found[1][0]
    assert all(np.array_equal(found[0][1][layer], found[1][1][layer]) for layer in LAYERS)


@pytest.mark.parametrize("n_images", [None, 55])
def test_a_network_that_runs_out_of_memory_dumps_every_image_once(tmp_path, dump, monkeypatch, n_images):
    (shard,) = cut_shards(tmp_path, pictures(60), image_rows(60), 60)
    ids, maps, _ = read(dump(shard, "whole.h5", n_images=n_images))
    tried = little_memory(monkeypatch, 20)
    found, again, _ = read(dump(shard, n_images=n_images))
    assert found == ids and tried == [50, 25] + [12] * 6  # of 50 images and of the rest
    for layer in LAYERS:
        np.testing.assert_allclose(again[layer], maps[layer], rtol=2e-3, atol=1e-4)  # other blocks, other rounding


@pytest.mark.parametrize(
    ("layers", "fault"),
    [
        (["conv1", "conv9"], "models.net.layers: expected a module such as conv1, .*, got conv9"),
        (["head"], r"models.net.layers: expected a layer of maps .*, got head, which gives \[50, 5\]"),
    ],
)
def test_layers_that_have_no_maps_are_refused(tmp_path, dump, layers, fault):
    (shard,) = cut_shards(tmp_path, pictures(3), image_rows(3), 3)
    with pytest.raises(InputError, match=fault):
        dump(shard, layers=layers)
    assert not list(tmp_path.glob("*.h5")) and not list(tmp_path.glob(".*.h5*"))


def test_layers_that_nobody_named(tmp_path, dump):
    (shard,) = cut_shards(tmp_path, pictures(3), image_rows(3), 3)
    _, maps, _ = read(dump(shard, layers=None))
    assert list(maps) == ["conv1", "conv2", "conv3", "conv4", "conv5"]
