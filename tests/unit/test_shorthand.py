"""Paths by name and sets of corruptions, written out; what is missing is listed at once."""

import copy

import pytest

from robustlens.errors import InputError
from robustlens.shorthand import COMMON, corruption_of, write_out


def study(tmp_path, **parts) -> dict:
    (tmp_path / "val").mkdir(exist_ok=True)
    paths = {
        "photos": {"path": str(tmp_path), "get": "photos.org"},
        "weights": {"path": None, "get": "weights.org"},
        "broden": {"path": "results/fetched/broden", "get": "broden.org"},
        "idle": {"path": None, "get": "nobody asks for it"},
    }
    counts = {
        "activations": {"n_images": None},
        "robustness": {"attack": None, "n_images": None},
        "ablation": {"stimulus": None, "n_images": None},
        "top_images": None,
    }
    return {"paths": paths, "sources": {}, "stimuli": {}, "suites": {}, "claims": {}, **counts, **parts}


def test_a_name_becomes_its_path(tmp_path):
    config = study(tmp_path, sources={"a": {"root": "$photos/val"}, "b": {"root": "$photos", "label": "5 $"}}, concepts=["$broden/x"])
    write_out(config)
    assert config["sources"]["a"]["root"] == f"{tmp_path}/val" and config["sources"]["b"] == {"root": str(tmp_path), "label": "5 $"}
    assert config["concepts"] == ["results/fetched/broden/x"]
    again = copy.deepcopy(config)
    write_out(again)
    assert again == config


def test_first_images_that_are_left_open_are_those_that_there_are(tmp_path):
    config = study(tmp_path, sources={"clean": {"n_images": 7}, "cues": {"n_images": 3}}, attacks={"pgd": {"source": "cues"}})
    config["robustness"]["attack"], config["stimuli"]["noise"] = "pgd", {"source": "clean"}
    write_out(config)
    assert (config["activations"]["n_images"], config["robustness"]["n_images"], config["top_images"]) == (7, 3, 7)
    large = study(tmp_path, sources={"clean": {"n_images": 10**6}}, ablation={"stimulus": "clean", "n_images": None})
    write_out(large)
    assert (large["activations"]["n_images"], large["ablation"]["n_images"], large["top_images"]) == (5000, 1200, 10)
    given = study(tmp_path, sources={"clean": {"n_images": 7}}, activations={"n_images": 9})
    write_out(given)
    assert given["activations"]["n_images"] == 9  # refused, not cut


def test_all_that_is_missing_is_listed_with_where_to_get_it(tmp_path):
    config = study(tmp_path, sources={"a": {"root": "$photos/gone"}}, models={"s": {"weights": "$weights"}, "r": {"weights": "$weights"}})
    with pytest.raises(InputError) as error:
        write_out(config)
    text = str(error.value)
    assert text.startswith("paths: expected all that this study reads, got 2 missing; give them in a second file")
    assert f"paths.photos.path: {tmp_path}/gone is not there. photos.org" in text
    assert text.count("paths.weights.path: not given. weights.org") == 1 and "idle" not in text
    with pytest.raises(InputError, match=r"\$phtos: expected a name of paths \(photos, weights, broden, idle\), got 'phtos'"):
        write_out(study(tmp_path, sources={"a": {"root": "$phtos"}}))


def test_a_name_of_weights_is_a_download(tmp_path):
    models = {
        "s": {"architecture": "resnet50", "weights": "IMAGENET1K_V1"},
        "t": {"architecture": "timm:resnet50.a1_in1k", "weights": "pretrained"},
        "file": {"architecture": "resnet50", "weights": "net.pt"},
        "own": {"architecture": "resnet50", "train": {}, "mean": None},
    }
    config = study(tmp_path, models=models)
    write_out(config)
    name, file = "resnet50-weights-imagenet1k-v1", "resnet50-0676ba61.pth"
    assert config["downloads"][name]["files"] == [
        {"url": f"https://download.pytorch.org/models/{file}", "sha256": "0676ba61", "unpack": False}
    ]
    assert models["s"]["weights"] == f"results/fetched/{name}/{file}"
    assert models["s"]["weights_name"] == "ResNet50_Weights.IMAGENET1K_V1"
    assert models["t"]["weights"] == "results/fetched/timm-resnet50-a1-in1k/model.safetensors"
    assert set(config["downloads"]["timm-resnet50-a1-in1k"]["files"][0]) == {"url", "pointer", "unpack"}
    assert models["file"] == {"architecture": "resnet50", "weights": "net.pt"}
    again = copy.deepcopy(config)
    write_out(again)
    assert again == config
    taken = study(
        tmp_path, models={"s": {"architecture": "resnet50", "weights": "IMAGENET1K_V1"}}, downloads={name: {"git": "https://a.b"}}
    )
    with pytest.raises(
        InputError, match=f"downloads.{name}: expected the name free for ResNet50_Weights.IMAGENET1K_V1, got another download"
    ):
        write_out(taken)
    assert models["own"]["mean"] == [0.485, 0.456, 0.406] and models["own"]["std"] == [0.229, 0.224, 0.225]
    again = copy.deepcopy(config)
    write_out(again)
    assert again == config


def test_a_set_of_corruptions_is_its_members(tmp_path):
    sets = {
        "c": {"root": "/x", "n_images": 5, "geometry": {"crop": 224}},
        "own": {"corruptions": ["fog"], "severities": [3, 5], "jpeg": True},
    }
    suites, claims = {"all": ["clean", "c", "own"]}, {"distortions": ["own"], "adversarial": None, "only_both_correct": True}
    config = study(tmp_path, corruptions=sets, suites=suites, claims=claims)
    write_out(config)
    assert len(config["sources"]) == 75 and list(config["sources"])[:2] == ["c-gaussian-noise-1", "c-gaussian-noise-2"]
    common = {"corruption": "jpeg-compression", "severity": 5, "preserves": "both"}
    assert config["sources"]["c-jpeg-compression-5"] == {"kind": "imagenet-c", **common, **sets["c"]}
    common = {"corruption": "fog", "severity": 3, "preserves": "both"}
    assert config["stimuli"]["own-fog-3"] == {"kind": "corruption", "source": "clean", **common, "jpeg": True}
    assert config["suites"]["all"] == ["clean", *config["sources"], "own-fog-3", "own-fog-5"]
    assert config["claims"]["distortions"] == ["own-fog-3", "own-fog-5"]
    assert len(corruption_of(config)) == 77 and corruption_of(config)["own-fog-5"] == {"corruption": "fog", "severity": 5}
    again = copy.deepcopy(config)
    write_out(again)
    assert again == config and len(COMMON) == 15


def test_a_member_does_not_take_the_name_of_another_set(tmp_path):
    config = study(tmp_path, corruptions={"c": {"corruptions": ["fog"]}}, stimuli={"c-fog-2": {"kind": "gaussian-blur"}})
    with pytest.raises(InputError, match="stimuli.c-fog-2: expected the name free for a member of corruptions.c, got another image set"):
        write_out(config)
