"""Networks by name, and what is refused at the door: other weights, foreign keys, hostile files, a device that is not there."""

import json
import sys

import pytest
import torch
from torch import nn

from robustlens.checksum import file_sha256
from robustlens.code_digest import user_code_digest
from robustlens.errors import InputError
from robustlens.models import architectures
from robustlens.models.convolutions import convolutions
from robustlens.models.registry import (
    Classifier,
    build_network,
    check_labels,
    load_model,
    load_weights,
    save_weights,
)
from tiny import coloured, make_model, make_shard, random_network, spec_of

ALEXNET = "robustlens.models.miniature:alexnet"


# ----------------------------------------------------------------------------------------------------------------- classifiers
def test_a_classifier_normalises_inside_and_only_there():
    network = nn.Flatten()
    model = Classifier(network, [0.5, 0.25, 0.0], [0.5, 0.25, 2.0], [])
    images = torch.tensor([[1.0, 0.5, 1.0], [0.0, 0.0, 0.0]]).view(2, 3, 1, 1)
    assert model(images).tolist() == [[1, 1, 0.5], [-1, -1, 0]]
    assert list(model.state_dict()) == []  # the mean is no weight


def test_layers_by_name():
    network = random_network(classes=5, width=8)
    model = Classifier(network, [0.0] * 3, [1.0] * 3, [], {"model": "net"})
    assert model.layer("conv2") is network.conv2
    assert model.layer("conv2.0") is network.conv2[0]
    with pytest.raises(InputError, match="models.net.layers: expected a module such as conv1, conv2, .*, head, got conv6"):
        model.layer("conv6")


def test_convolutions_in_order():
    names = ["conv1.0", "layer1.first.0", "layer1.second.0", "layer2.first.0", "layer2.second.0", "layer2.shortcut.0"]
    assert convolutions(random_network("resnet", classes=5))[:6] == names


# -------------------------------------------------------------------------------------------------------------------- building
def test_a_network_is_built_from_its_name():
    assert build_network("models.net", ALEXNET, {"classes": 4, "width": 8}).head[-1].out_features == 4


def test_torchvision_and_timm_by_name():
    assert build_network("models.net", "resnet18", {"num_classes": 4}).fc.out_features == 4
    assert build_network("models.net", "timm:resnet18", {"num_classes": 4}).fc.out_features == 4


def test_timm_that_is_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match="models.net.architecture: expected timm to be installed, got timm:resnet18; pip install timm"):
        build_network("models.net", "timm:resnet18", {})


def test_a_package_in_a_folder_and_a_factory_in_a_class(tmp_path, monkeypatch):
    (tmp_path / "brought_by_the_user.py").write_text(
        "from torch import nn\n\nclass Nets:\n    @classmethod\n    def by_name(cls, name):\n        return nn.Linear(len(name), 1)\n"
    )
    monkeypatch.setattr(sys, "path", [*sys.path])
    network = build_network("models.net", "brought_by_the_user:Nets.by_name", {"name": "abc"}, str(tmp_path))
    assert network.in_features == 3
    with pytest.raises(InputError, match="models.net.python_path: expected a folder, got /nowhere"):
        build_network("models.net", "brought_by_the_user:Nets", {}, "/nowhere")


@pytest.mark.parametrize(
    ("architecture", "arguments", "fault"),
    [
        ("resnet5", {}, "models.net.architecture: expected a classification model of torchvision, .* got resnet5; perhaps resnet50"),
        ("timm:resnet5", {}, "models.net.architecture: expected a model that timm .* has, got resnet5; perhaps .*resnet5"),
        ("resnet18", {"classes": 3}, "models.net.arguments: expected what resnet18 takes, got .*classes"),
        ("resnet18", {"weights": "DEFAULT"}, "models.net.arguments.weights: expected the name .* under models.net.weights"),
        ("timm:resnet18", {"pretrained": True}, "models.net.arguments.pretrained: expected the name .* under models.net.weights"),
        (":alexnet", {}, "models.net.architecture: expected package.module:factory, got :alexnet"),
        (
            "nopackage.at.all:net",
            {},
            r"models.net.architecture: expected an importable .*, got nopackage.at.all:net \(ModuleNotFoundError: No module",
        ),
        ("robustlens.models.miniature:vgg", {}, r"models.net.architecture: expected an importable .* has no attribute 'vgg'"),
        (ALEXNET, {"classes": 3, "widht": 8}, "models.net.arguments: expected what .*:alexnet takes, got .*widht"),
        (ALEXNET, {}, "models.net.arguments: expected what .*:alexnet takes, got .*classes"),
        (
            "timm:resnet18.zzz",
            {},
            "models.net.architecture: expected a factory that builds a network, .* in RuntimeError: Invalid pretrained tag",
        ),
        (
            "torch.nn:LazyConv2d",
            {"out_channels": 2, "kernel_size": 3},
            "a network whose weights have shapes, got none of weight.*; give its",
        ),
        ("builtins:dict", {}, "models.net.architecture: expected a factory of a torch module, got dict"),
    ],
)
def test_what_cannot_be_built(architecture, arguments, fault):
    with pytest.raises(InputError, match=fault):
        build_network("models.net", architecture, arguments)


def test_a_users_code_that_ends_in_an_error_of_its_own(tmp_path, monkeypatch):
    """No argument is to blame for it."""
    (tmp_path / "a_broken_module.py").write_text("1 / 0\n")
    (tmp_path / "a_broken_factory.py").write_text("def net(width=3):\n    return 'a' + width\n")
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(InputError, match=r"an importable package.module:factory, got a_broken_module:net \(ZeroDivisionError: division by"):
        build_network("models.net", "a_broken_module:net", {}, str(tmp_path))
    with pytest.raises(
        InputError, match=r"expected a factory that builds a network, got a_broken_factory:net, which ends in TypeError: can"
    ):
        build_network("models.net", "a_broken_factory:net", {}, str(tmp_path))


def test_modules_of_one_name_in_two_folders(tmp_path, monkeypatch):
    """Each network is built by its own folder's code, and by what that imports; also again, and where a script of ours has the name."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "predict", raising=False)  # as in a job, which loads no script but its own
    monkeypatch.setattr(architectures, "_own_modules", type(architectures._own_modules)())
    for name, width in (("a", 2), ("b", 3)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "of_one_name.py").write_text(
            "from torch import nn\nfrom width_of_it import W\n\ndef net(): return nn.Linear(W, 1)\n"
        )
        (tmp_path / name / "width_of_it.py").write_text(f"W = {width}\n")
        (tmp_path / name / "predict.py").write_text(f"from torch import nn\n\ndef net(): return nn.Linear({width}, 1)\n")
    for module in ("of_one_name", "predict"):
        widths = [build_network("models.net", f"{module}:net", {}, str(tmp_path / name)).in_features for name in "abab"]
        assert widths == [2, 3, 2, 3]
    (tmp_path / "a" / "json.py").write_text("net = 1\n")
    with pytest.raises(
        InputError, match="models.net.architecture: expected a module of .*a, got json, which is that of .*; give the module"
    ):
        build_network("models.net", "json:loads", {}, str(tmp_path / "a"))


def test_a_module_that_ends_the_program(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", ["job", "--unknown"])
    (tmp_path / "a_script_of_mine.py").write_text("import argparse\nargparse.ArgumentParser().parse_args()\n")
    (tmp_path / "an_exit_of_mine.py").write_text("import sys\n\ndef net(): sys.exit(3)\n")
    with pytest.raises(InputError, match=r"an importable .*, got a_script_of_mine:net \(SystemExit: 2\); put what is for the command line"):
        build_network("models.net", "a_script_of_mine:net", {}, str(tmp_path))
    with pytest.raises(InputError, match="a factory that builds a network, got an_exit_of_mine:net, which ends in SystemExit: 3"):
        build_network("models.net", "an_exit_of_mine:net", {}, str(tmp_path))


# --------------------------------------------------------------------------------------------------------------------- loading
def test_a_saved_model_comes_back(tmp_path):
    network = random_network("googlenet", classes=5)
    weights, card = make_model(tmp_path, network=network, spec=spec_of("googlenet", classes=5))
    model = load_model(weights, card, "cpu", ["conv1", "inception3"])
    images = torch.rand(3, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(model(images), network.eval()((images - 0.5) / 0.25))
    assert not model.training and not any(parameter.requires_grad for parameter in model.parameters())
    assert model.layers == ["conv1", "inception3"] and model.card["model"] == "net"
    assert model.card["sha256"] == file_sha256(weights)
    assert model.card["convolutions"] == convolutions(network)


def test_equal_weights_give_equal_files(tmp_path):
    files = [make_model(tmp_path / name)[0] for name in "ab"]
    assert file_sha256(files[0]) == file_sha256(files[1])
    assert file_sha256(make_model(tmp_path / "c", network=random_network(seed=1, classes=5, width=8))[0]) != file_sha256(files[0])


def test_weights_that_are_not_the_cards_are_refused(tmp_path):
    weights, _ = make_model(tmp_path / "a")
    _, card = make_model(tmp_path / "b", network=random_network(seed=1, classes=5, width=8))
    with pytest.raises(InputError, match=r"a/weights.safetensors: expected sha256 \w{16}... of .*b/card.json, got \w{16}..."):
        load_model(weights, card, "cpu")


def test_weights_that_do_not_fit_the_architecture_are_refused(tmp_path):
    weights, card = make_model(tmp_path)
    network = build_network("models.net", ALEXNET, {"classes": 5, "width": 16})
    with pytest.raises(InputError, match="weights.safetensors: expected the weights of AlexNet, got .* size mismatch for conv1.0.weight"):
        load_weights(network, weights)
    (tmp_path / "broken.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(InputError, match="broken.safetensors: expected a safetensors file"):
        load_weights(network, str(tmp_path / "broken.safetensors"))
    changed = {**json.loads((tmp_path / "card.json").read_text()), **spec_of("resnet", classes=5)}
    (tmp_path / "card.json").write_text(json.dumps(changed))
    with pytest.raises(InputError, match="expected the weights of ResNet, got .*layer1"):
        load_model(weights, card, "cpu")


def test_labels_beyond_the_classes(tmp_path):
    shard = make_shard(tmp_path / "shard.parquet", coloured([(0, 0, 0)] * 3), labels=[2, 0, -1])
    check_labels(shard, 3, {"model": "net"}, known=False)
    with pytest.raises(InputError, match=r"shard.parquet \[image-2\]: expected a label below the 3 classes of net, got -1"):
        check_labels(shard, 3, {"model": "net"})
    with pytest.raises(InputError, match=r"\[image-0\]: expected a label below the 2 classes of net, got 2"):
        check_labels(shard, 2, {"model": "net"}, known=False)


def test_a_model_is_loaded_on_its_device_and_no_other(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO", "robustlens")
    assert load_model(*make_model(tmp_path), "cpu").device == torch.device("cpu")
    assert [line for line in caplog.messages if line.startswith("device cpu, ")] == caplog.messages[-1:]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(InputError, match="resource device: expected cuda, a device that torch can use"):
        load_model(*make_model(tmp_path), "cuda")


def test_tied_weights_and_modules_with_versions(tmp_path):
    """safetensors refuses shared memory, MNASNet a state without the versions of its modules."""
    network = build_network("models.net", "mnasnet0_5", {"num_classes": 3})
    network.layers[1].weight.data[:] = 2.0
    network.layers[4].weight = network.layers[1].weight
    save_weights(tmp_path / "weights.safetensors", network)
    other = build_network("models.net", "mnasnet0_5", {"num_classes": 3})
    load_weights(other, str(tmp_path / "weights.safetensors"))
    assert torch.equal(other.layers[4].weight, network.layers[1].weight)
    images = torch.rand(2, 3, 64, 64)
    assert torch.equal(network.eval()(images), other.eval()(images))


def test_code_that_was_edited_after_the_import_is_refused(tmp_path):
    """As in the middle of a run. The code of this library is tracked by the rules."""
    (tmp_path / "edited_factory.py").write_text("from robustlens.models.miniature import alexnet\n")
    spec = {**spec_of(classes=5, width=8), "architecture": "edited_factory:alexnet", "python_path": str(tmp_path)}
    spec["code"] = user_code_digest(spec["architecture"], spec["python_path"])
    weights, card = make_model(tmp_path / "net", spec=spec)
    load_model(weights, card, "cpu")
    (tmp_path / "edited_factory.py").write_text("from robustlens.models.miniature import alexnet\nwidth = 2\n")
    with pytest.raises(InputError, match=r"models.net.architecture: expected the code of edited_factory:alexnet as it was when card.json"):
        load_model(weights, card, "cpu")
