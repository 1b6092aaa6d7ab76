"""The sizes of the images that each network sees, by set, from the config and the files that are there."""

import pytest
import yaml
from test_study import ROOT, SCHEMA

from robustlens.plan.image_sizes import seen_sizes, size_of
from robustlens.schema import check_schema
from robustlens.shorthand import write_out
from robustlens.stimuli.embedded import SIDE


@pytest.fixture
def config(tmp_path):
    """A study of a network that is trained on 32 px and one that is brought; clean images of 28 px, sketches of 40, scenes of 48 x 56."""
    (tmp_path / "broden").mkdir()
    (tmp_path / "broden" / "index.csv").write_text("image,split,ih,iw,sh,sw\na.png,train,48,56,24,28\n")
    folder = {"kind": "image-folder", "root": "pictures", "n_images": 3}
    study = yaml.safe_load((ROOT / "config.yaml").read_text())
    study["sources"]["clean"] = {**folder, "geometry": {"crop": 28}}
    study["sources"]["sketches"] = {**folder, "geometry": {"resize": 50, "crop": 40}}
    study["sources"]["unseen"] = {**folder, "geometry": {"crop": 99}}
    study["suites"]["sketched"] = ["sketches"]
    study["concepts"]["found"] = {"kind": "broden", "root": str(tmp_path / "broden"), "n_images": 1}
    study["models"]["brought"] = {"architecture": "alexnet", "weights": "alexnet.pth"}
    check_schema(study, SCHEMA)
    write_out(study)
    return study


def test_sizes_of_what_a_network_sees(config):
    trained, brought = seen_sizes(config, "alexnet-s"), seen_sizes(config, "brought")
    assert list(trained)[0] == config["models"]["alexnet-s"]["train"]["source"] and list(brought)[0] == "clean"
    assert brought["clean"] == (28, 28) and brought["sketches"] == (40, 40) and brought["found"] == (48, 56)
    assert brought["scenes"] == (SIDE, SIDE) and "unseen" not in brought and "train" not in brought
    assert trained["train"] == (SIDE, SIDE) and brought.items() <= trained.items()


def test_what_is_not_known_yet_is_left_out(config):
    config["concepts"]["found"]["root"] = "results/fetched/broden"
    assert "found" not in seen_sizes(config, "brought")
    assert size_of(config["concepts"]["found"]) == "results/fetched/broden/index.csv cannot be read"
