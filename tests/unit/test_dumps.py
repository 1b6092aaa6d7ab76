"""Stored or streamed: by word, or by the size of what would be stored, which the config alone tells."""

import json
from pathlib import Path

import pytest
import yaml

from robustlens.errors import InputError
from robustlens.plan import dumps, networks
from robustlens.plan.dumps import is_streamed, largest_image
from robustlens.plan.networks import map_cells

ALEXNET = {"architecture": "alexnet", "arguments": {}, "layers": ["features.1", "features.4"]}
FACE = {"resize": 72, "crop": 64}


@pytest.fixture
def config():
    """Two AlexNets of 64 px: 64 x 15 x 15 and 192 x 7 x 7 values an image; 30 images with concepts, 20 clean and 20 noisy ones."""
    return {
        "activations": {"mode": "auto", "largest_dump": 2 * 70 * CELLS * 2, "n_images": 20, "noise": "noisy"},
        "models": {"net-s": ALEXNET, "net-r": ALEXNET},
        "concepts": {"own": {"kind": "image-folder", "n_images": 30, "geometry": FACE}},
        "sources": {"clean": {"kind": "image-folder", "n_images": 50, "geometry": FACE}},
    }


CELLS = 64 * 15 * 15 + 192 * 7 * 7


def test_cells_by_hand():
    assert map_cells("net", ALEXNET, 64) == CELLS


def test_a_dump_up_to_the_limit_is_stored(config, tmp_path):
    assert not is_streamed(config, tmp_path / "maps.json")
    config["activations"]["largest_dump"] -= 1
    assert is_streamed(config, tmp_path / "maps.json")
    for mode in ("stored", "streamed"):
        config["activations"]["mode"] = mode
        assert is_streamed(config, tmp_path / "maps.json") == (mode == "streamed")


def test_networks_are_looked_at_once_and_only_where_it_matters(config, tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr(dumps, "_cells", lambda model, *_: looked.append(model) or CELLS)
    cache = tmp_path / "new" / "maps.json"
    for _ in range(2):
        assert not is_streamed(config, cache)
    assert looked == ["net-s"] and list(json.loads(cache.read_text()).values()) == [CELLS]  # both are alike
    config["activations"]["largest_dump"] = 2 * 70 * 64**2 * dumps.MOST_VALUES * 2
    assert not is_streamed(config, tmp_path / "other.json") and looked == ["net-s"]


def test_a_run_that_is_killed_leaves_a_whole_cache(config, tmp_path, monkeypatch):
    monkeypatch.setattr(dumps, "_cells", lambda *_: CELLS)
    cache = tmp_path / "maps.json"
    cache.write_text("{}")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", killed)
        is_streamed(config, cache)
    assert cache.read_text() == "{}"
    is_streamed(config, cache)
    assert list(json.loads(cache.read_text()).values()) == [CELLS]


def test_a_cache_that_is_cut_off_is_made_again(config, tmp_path):
    cache = tmp_path / "maps.json"
    cache.write_text('{"abc": 12')
    assert not is_streamed(config, cache)
    assert list(json.loads(cache.read_text()).values()) == [CELLS]


def test_a_network_that_cannot_be_built_here(config, tmp_path, monkeypatch):
    config["activations"]["largest_dump"] = 1
    config["models"]["net-r"] = {"architecture": "torchvision.models:alexnet", "arguments": {"depth": 3}, "layers": ["features.1"]}
    with pytest.raises(InputError, match="models.net-r.arguments: expected what torchvision.models:alexnet takes"):
        is_streamed(config, tmp_path / "maps.json")
    monkeypatch.setattr(networks, "map_cells", lambda *_: int("a driver"))
    expected = "activations.mode: expected stored or streamed, got auto, but the maps of net-s cannot be counted .invalid literal"
    with pytest.raises(InputError, match=expected):
        is_streamed(config, tmp_path / "other.json")


def test_broden_counts_before_it_is_there(config, tmp_path):
    """224 px, whatever its folder holds, so that the answer stays the same once it is fetched."""
    config["concepts"] = {"broden": {"kind": "broden", "root": "nowhere", "n_images": 63305}}
    config["activations"]["largest_dump"] = 50e9
    assert is_streamed(config, tmp_path / "maps.json") == (2 * 63305 * map_cells("net", ALEXNET, 224) * 2 > 50e9)


def test_the_miniature_is_stored_without_a_look():
    config = yaml.safe_load((Path(__file__).resolve().parents[2] / "config.yaml").read_text())
    config["activations"] |= {"mode": "auto", "largest_dump": 50e9}
    assert not is_streamed(config, Path("/nowhere/at/all.json"))


def test_the_largest_image_is_that_of_any_set(config):
    assert largest_image(config) == 64**2
    config["concepts"]["broden"] = {"kind": "broden", "root": "nowhere"}  # whose size is not in the config
    assert largest_image(config) == 224**2
    assert largest_image({"sources": {}, "concepts": {}}) == 224**2
