"""import_model: a checkpoint becomes safetensors and a card that says how; what is no network of the study is refused."""

import json
from argparse import Namespace
from pathlib import Path

import pandas as pd
import pytest
import torch
import torchvision
from safetensors.torch import save_file

from import_model import main
from robustlens.checksum import file_sha256
from robustlens.errors import InputError
from robustlens.models import importing
from robustlens.models.registry import load_model
from tiny import random_network, spec_of

SMALL = {"classes": 5, "width": 8}
SIZE = {"clean": (16, 16)}
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def run(folder, checkpoint, spec=None, **options):
    files = [str(folder / name) for name in ("weights.safetensors", "card.json", "training.parquet")]
    main(*files, model="net", spec={**(spec or spec_of(**SMALL)), "weights": str(checkpoint)}, **options)
    return files


def test_a_layer_that_is_none_is_refused_before_anything_is_written(tmp_path):
    network = random_network(**SMALL).eval()
    torch.save(network.state_dict(), tmp_path / "brought.pth")
    with pytest.raises(InputError, match=r"^models.net.layers: expected a module of the network such as .*conv3.*, got conv9; leave "):
        run(tmp_path / "net", tmp_path / "brought.pth", layers=["conv1", "conv9"])
    assert not (tmp_path / "net").exists()
    run(tmp_path / "net", tmp_path / "brought.pth", layers=["conv1", "conv3.0"])


def card_of(folder, checkpoint, spec=None, **options):
    return json.loads(Path(run(folder, checkpoint, spec, **options)[1]).read_text())


def without_normalisation(**more) -> dict:
    return {**spec_of(**SMALL), "mean": None, "std": None, **more}


def robustness(state: dict, mean, std) -> dict:
    """As the robustness package saves it, in short."""
    saved = {"module.normalizer.new_mean": torch.tensor(mean).view(3, 1, 1), "module.normalizer.new_std": torch.tensor(std).view(3, 1, 1)}
    return {"model": saved | {f"module.{copy}model.{name}": state[name] for copy in ("", "attacker.") for name in state}, "epoch": 90}


def test_an_imported_network_decides_as_before(tmp_path):
    network = random_network(**SMALL).eval()
    torch.save({"state_dict": network.state_dict(), "epoch": 90}, tmp_path / "brought.pth")
    weights, card, training = run(tmp_path / "net", tmp_path / "brought.pth", n_classes=5, sizes=SIZE)
    images = torch.rand(3, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(load_model(weights, card, "cpu")(images), network((images - 0.5) / 0.25))
    description = json.loads((tmp_path / "net" / "card.json").read_text())
    digest = file_sha256(tmp_path / "brought.pth")
    assert description["source"] == {"file": "brought.pth", "sha256": digest, "format": "torch file", "name": None, "part": "state_dict"}
    assert description["training"] is None and description["convolutions"][0] == "conv1.0" and description["input"] == "[0,1] RGB"
    assert description["preprocessing"] == {"mean": [0.5] * 3, "std": [0.25] * 3, "source": "config"} and description["normaliser"] is None
    table = pd.read_parquet(training)
    assert table.columns.tolist() == ["model", "epoch", "loss", "accuracy"] and not len(table)


def test_a_network_in_shards_and_an_average_are_told_in_the_card(tmp_path):
    state = random_network(**SMALL).state_dict()
    save_file(state, tmp_path / "all.safetensors")
    (tmp_path / "net.index.json").write_text(json.dumps({"weight_map": dict.fromkeys(state, "all.safetensors")}))
    card = card_of(tmp_path / "net", tmp_path / "net.index.json")
    assert card["shards"] == {"all.safetensors": file_sha256(tmp_path / "all.safetensors")} and card["statistics"] is None
    average = {name: tensor for name, tensor in state.items() if "running" not in name and "num_batches" not in name}
    torch.save({"model": {name: tensor + 1 for name, tensor in state.items()}, "ema": average}, tmp_path / "brought.pt")
    card = card_of(tmp_path / "net", tmp_path / "brought.pt", spec_of(**SMALL) | {"part": "ema"})
    assert card["statistics"] == "model" and card["source"]["part"] == "ema" and card["dropped"] == {"model: *": len(state)}


def test_the_card_says_what_was_found_and_done(tmp_path):
    state = random_network(**SMALL).state_dict()
    torch.save({**robustness(state, [0.5, 0.4, 0.3], STD), "args": Namespace(eps=3)}, tmp_path / "brought.pt")
    trained = {"how": "adversarial", "norm": "l2", "eps": 3.0}
    card = card_of(tmp_path / "net", tmp_path / "brought.pt", without_normalisation(trained=trained))
    assert card["renamed"] == {"module.model.* -> *": len(state)} and card["filled"] == 0
    assert card["dropped"] == {"module.normalizer.*": 2, "module.attacker.*": len(state)}
    assert card["ignored"] == ["argparse.Namespace"] and card["training"] == trained
    assert card["normaliser"] == {"mean": [0.5, 0.4, 0.3], "std": STD}
    assert card["preprocessing"] == {"mean": [0.5, 0.4, 0.3], "std": STD, "source": "checkpoint"}
    assert card["mean"] == [0.5, 0.4, 0.3] and card["std"] == STD


def test_an_architecture_in_a_folder_is_found_again(tmp_path):
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "a_users_networks.py").write_text("from robustlens.models.miniature import alexnet as net\n")
    torch.save(random_network(**SMALL).state_dict(), tmp_path / "brought.pth")
    spec = {**spec_of(**SMALL), "architecture": "a_users_networks:net", "python_path": str(folder)}
    weights, card, _ = run(tmp_path / "net", tmp_path / "brought.pth", spec)
    assert json.loads((tmp_path / "net" / "card.json").read_text())["python_path"] == str(folder)
    assert load_model(weights, card, "cpu").network.conv1[0].out_channels == 4


# --------------------------------------------------------------------------------------------------------------- normalisation
def test_a_normalisation_that_disagrees_is_refused(tmp_path):
    torch.save(robustness(random_network(**SMALL).state_dict(), MEAN, STD), tmp_path / "brought.pt")
    said = r"models.net.mean: expected 0.485, 0.456, 0.406 as in the checkpoint .*brought.pt, got 0.500, 0.500, 0.500; leave out mean"
    with pytest.raises(InputError, match=said):
        run(tmp_path / "net", tmp_path / "brought.pt")
    with pytest.raises(InputError, match=r"models.net.std: expected 0.229, 0.224, 0.225 as in"):
        run(tmp_path / "net", tmp_path / "brought.pt", {**spec_of(**SMALL), "mean": MEAN})
    with pytest.raises(InputError, match="models.net: expected both mean and std, or neither, got mean"):
        run(tmp_path / "net", tmp_path / "brought.pt", without_normalisation(mean=MEAN))
    given = card_of(tmp_path / "net", tmp_path / "brought.pt", without_normalisation(mean=[0.4854, 0.456, 0.406], std=STD))
    assert given["preprocessing"]["source"] == "config" and given["mean"][0] == 0.4854


NOT_SAID = "models.net: expected mean and std, which its pixels are normalised with, got "


def test_a_normalisation_that_nothing_says_is_asked_for(tmp_path):
    torch.save(random_network(**SMALL).state_dict(), tmp_path / "brought.pth")
    said = r"neither in the config nor in brought.pth, which is no published file; give both .* ImageNet's are \[0.485, 0.456, 0.406\] and"
    with pytest.raises(InputError, match=NOT_SAID + said):
        run(tmp_path / "net", tmp_path / "brought.pth", without_normalisation())
    torch.save({"net": random_network(**SMALL).state_dict(), "mean": MEAN}, tmp_path / "half.pth")
    with pytest.raises(InputError, match=NOT_SAID + r"mean without a std \(half.pth\); give both"):
        run(tmp_path / "net", tmp_path / "half.pth", without_normalisation())
    card = card_of(tmp_path / "net", tmp_path / "half.pth", without_normalisation(mean=MEAN, std=STD))
    assert card["preprocessing"] == {"mean": MEAN, "std": STD, "source": "config"}


def test_a_published_file_is_known_by_its_digest(tmp_path, monkeypatch):
    """Whatever it is called; of other weights of the same architecture nobody knows."""
    torch.save(random_network(**SMALL).state_dict(), tmp_path / "brought.pth")
    monkeypatch.setattr(importing, "file_sha256", lambda path: "59c71313" + 56 * "0")  # another than efficientnet_v2_l-59c71312.pth
    with pytest.raises(InputError, match=NOT_SAID):
        run(tmp_path / "net", tmp_path / "brought.pth", without_normalisation())
    monkeypatch.setattr(importing, "file_sha256", lambda path: "59c71312" + 56 * "0")
    card = card_of(tmp_path / "net", tmp_path / "brought.pth", without_normalisation())
    assert card["preprocessing"] == {"mean": [0.5] * 3, "std": [0.5] * 3, "source": "weights"}


@pytest.mark.parametrize("name, mean", [("vit_tiny_patch16_224.augreg_in21k_ft_in1k", [0.5] * 3), ("resnet10t.c3_in1k", MEAN)])
def test_weights_of_timm_from_a_file_are_normalised_as_timm_says(tmp_path, name, mean):
    """By the tag in the name of the architecture; without one several weights could be meant, so it is asked for."""
    timm = pytest.importorskip("timm")
    torch.save(timm.create_model(name, num_classes=3).state_dict(), tmp_path / "brought.pth")
    spec = {"architecture": f"timm:{name}", "arguments": {"num_classes": 3}}
    assert card_of(tmp_path / "net", tmp_path / "brought.pth", spec)["preprocessing"] | {"std": 0} == {
        "mean": mean,
        "std": 0,
        "source": "timm",
    }
    with pytest.raises(InputError, match=NOT_SAID + r"neither .*; name timm's tag \(timm:<model>.<tag>\), or give both"):
        run(tmp_path / "net", tmp_path / "brought.pth", {**spec, "architecture": f"timm:{name.partition('.')[0]}"})


def test_published_weights_bring_theirs(tmp_path):
    torch.save(random_network(**SMALL).state_dict(), tmp_path / "brought.pth")
    spec = without_normalisation(weights_name="EfficientNet_V2_L_Weights.IMAGENET1K_V1")
    card = card_of(tmp_path / "net", tmp_path / "brought.pth", spec)
    assert card["preprocessing"] == {"mean": [0.5] * 3, "std": [0.5] * 3, "source": "weights"}
    assert card["source"]["name"] == "EfficientNet_V2_L_Weights.IMAGENET1K_V1"


def test_a_network_that_normalises_by_itself_is_not_normalised_twice(tmp_path):
    (tmp_path / "own.py").write_text(
        "import torch\nfrom robustlens.models.miniature import alexnet\n\n\nclass Net(torch.nn.Module):\n"
        "    def __init__(self, **arguments):\n        super().__init__()\n        self.net = alexnet(**arguments)\n"
        "        self.register_buffer('mean', torch.full((3, 1, 1), 0.5))\n"
        "        self.register_buffer('std', torch.full((3, 1, 1), 0.25))\n\n"
        "    def forward(self, images):\n        return self.net((images - self.mean) / self.std)\n"
    )
    network = random_network(**SMALL).eval()
    state = {f"net.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save({**state, "mean": torch.full((3, 1, 1), 0.5), "std": torch.full((3, 1, 1), 0.25)}, tmp_path / "brought.pth")
    spec = without_normalisation(architecture="own:Net", python_path=str(tmp_path))
    weights, card, _ = run(tmp_path / "net", tmp_path / "brought.pth", spec)
    assert json.loads(Path(card).read_text())["preprocessing"] == {"mean": [0.0] * 3, "std": [1.0] * 3, "source": "network"}
    images = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(load_model(weights, card, "cpu")(images), network((images - 0.5) / 0.25))
    with pytest.raises(InputError, match="models.net.mean: expected 0.000, 0.000, 0.000 for a network that normalises by itself"):
        run(tmp_path / "net", tmp_path / "brought.pth", {**spec, "mean": [0.5] * 3, "std": [0.25] * 3})


def test_googlenet_takes_rescaled_inputs_if_its_weights_demand_it(tmp_path, monkeypatch):
    """Of a published file by its name, and of the same file by its digest, whatever it is called."""
    arguments = {"num_classes": 3, "aux_logits": False, "init_weights": False}
    torch.save(torchvision.models.googlenet(**arguments).state_dict(), tmp_path / "brought.pth")
    spec = {"architecture": "torchvision.models:googlenet", "arguments": arguments, "mean": MEAN, "std": STD}
    assert "transform_input" not in card_of(tmp_path / "a", tmp_path / "brought.pth", spec)["arguments"]
    named = {**spec, "weights_name": "GoogLeNet_Weights.IMAGENET1K_V1"}
    weights, card, _ = run(tmp_path / "b", tmp_path / "brought.pth", named)
    assert json.loads(Path(card).read_text())["arguments"]["transform_input"] is True
    assert load_model(weights, card, "cpu").network.transform_input
    with pytest.raises(InputError, match="arguments.transform_input: expected true, as GoogLeNet_Weights.IMAGENET1K_V1 demands, got false"):
        run(tmp_path / "c", tmp_path / "brought.pth", {**named, "arguments": {**arguments, "transform_input": False}})
    monkeypatch.setattr(importing, "file_sha256", lambda path: "1378be20" + 56 * "0")
    card = card_of(tmp_path / "d", tmp_path / "brought.pth", spec)
    assert card["arguments"]["transform_input"] is True and card["source"]["name"] == "GoogLeNet_Weights.IMAGENET1K_V1"


# -------------------------------------------------------------------------------------------------------------------- refusals
class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return exec, (f"open({str(self.path)!r}, 'w').close()",)


def test_what_is_no_checkpoint_of_the_network_is_refused(tmp_path):
    state = random_network(**SMALL).state_dict()
    torch.save({name.replace(".", "__"): tensor for name, tensor in state.items()}, tmp_path / "foreign.pth")
    torch.save({name: tensor for name, tensor in state.items() if "conv1" not in name}, tmp_path / "part.pth")
    torch.save(random_network(classes=6, width=8).state_dict(), tmp_path / "classes.pth")
    torch.save({"state_dict": state, "epoch": Hostile(tmp_path / "trap")}, tmp_path / "hostile.pth")
    faults = {
        "foreign.pth": "expected the 34 tensors of .*:alexnet .conv1.0.weight, .*, got none of them, but conv1__0__weight",
        "part.pth": "expected the 34 tensors of .*:alexnet, got 5 missing .conv1.0.weight",
        "classes.pth": "expected a network that decides among 5 classes, as .*:alexnet is built, got one among 6",
        "hostile.pth": "expected a checkpoint of plain tensors, got one that names builtins.exec",
        "gone.pth": "expected a checkpoint file, got no such file",
    }
    for name, fault in faults.items():
        with pytest.raises(InputError, match=f"{name}: {fault}"):
            run(tmp_path / "net", tmp_path / name)
    assert not (tmp_path / "trap").exists() and not (tmp_path / "net").exists()


def test_a_network_is_tried_before_anything_is_written(tmp_path):
    network = random_network(**SMALL)
    torch.save(network.state_dict(), tmp_path / "brought.pth")
    with pytest.raises(InputError, match="models.net: expected a network that decides among the study's 8 classes, got one among 5"):
        run(tmp_path / "net", tmp_path / "brought.pth", n_classes=8, sizes=SIZE)
    said = "expected a network that takes images of 2 px, got .*; give the images another size: sources.clean.geometry .it takes 28 px"
    with pytest.raises(InputError, match=f"models.net: {said}"):
        run(tmp_path / "net", tmp_path / "brought.pth", n_classes=5, sizes={"clean": (2, 2)})
    network.head[2].weight.data.fill_(3e38)
    torch.save(network.state_dict(), tmp_path / "huge.pth")
    with pytest.raises(InputError, match="models.net: expected finite logits, got NaN or inf"):
        run(tmp_path / "net", tmp_path / "huge.pth", n_classes=5, sizes=SIZE)
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize(
    "layers, said",
    [
        (
            "Conv2d(1, 5, 3)",
            r"to have 1 channels, but got 3 channels .*; it takes 1 channel and images have 3: a factory .*images.mean\(1, keep",
        ),
        ("Flatten(), Linear(256, 5)", "it takes 1 channel and images have 3: a factory of your own"),
        ("Conv2d(4, 5, 3)", "it takes 4 channels and images have 3: say so in its arguments"),
        ("Flatten(), Linear(300, 5)", "mat1 and mat2 shapes .*; give the images another size: sources.clean.geometry"),
        ("Conv2d(3, 5, 99)", "give the images another size: sources.clean.geometry"),
        ("Conv2d(3, 5, 3), Broken()", "no such thing; it is the module's own error: try it in Python"),
    ],
)
def test_a_network_that_refuses_the_images_says_what_helps(tmp_path, monkeypatch, layers, said):
    """A grey network wants one channel, not another size."""
    name = f"net_{abs(hash(layers))}"
    broken = "\n\nclass Broken(Module):\n    def forward(self, maps):\n        raise RuntimeError('no such thing')\n"
    (tmp_path / f"{name}.py").write_text(f"from torch.nn import *\n{broken}\n\ndef net():\n    return Sequential({layers})\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    torch.save(__import__(name).net().state_dict(), tmp_path / "brought.pth")
    spec = {**spec_of(), "architecture": f"{name}:net"}
    with pytest.raises(InputError, match=f"models.net: expected a network that takes images of 16 px, got .*{said}"):
        run(tmp_path / "net", tmp_path / "brought.pth", spec, n_classes=5, sizes=SIZE)


def test_outputs_that_are_no_logits_are_refused(tmp_path):
    for output, said in (
        ("{'out': found}", r"got dict \(out\); let its forward pass give the logits alone"),
        ("found[0]", r"got \[5\]"),
        ("found[:, :, None]", r"got \[2, 5, 1\]"),
    ):
        name = f"odd_{len(output)}"
        (tmp_path / f"{name}.py").write_text(
            f"from robustlens.models.miniature import AlexNet\n\n\nclass Net(AlexNet):\n    def forward(self, images):\n"
            f"        found = super().forward(images)\n        return {output}\n"
        )
        torch.save(random_network(**SMALL).state_dict(), tmp_path / "brought.pth")
        spec = {**spec_of(**SMALL), "architecture": f"{name}:Net", "python_path": str(tmp_path)}
        with pytest.raises(InputError, match=rf"models.net: expected logits \[n_images, n_classes\] for 2 images, {said}"):
            run(tmp_path / "net", tmp_path / "brought.pth", spec, n_classes=5, sizes=SIZE)
