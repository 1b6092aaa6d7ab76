"""Checkpoints in the structures that people have come under the names of torchvision's networks, bit for bit, or are refused."""

import json
import re
from argparse import Namespace
from collections import OrderedDict

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from robustlens.errors import InputError
from robustlens.models.checkpoints import read_checkpoint, read_tensors
from robustlens.models.fitting import fit_to_network

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
OPTIONS = {"googlenet": {"aux_logits": False, "init_weights": False}}


def build(name: str, classes: int = 1000, **options) -> nn.Module:
    """Torchvision's network with all its tensors under their names, an eighth as wide."""
    with torch.device("meta"):
        network = getattr(torchvision.models, name)(num_classes=classes, **OPTIONS.get(name, {}) | options)
    for place, module in list(network.named_modules()):
        match module:
            case nn.Conv2d():
                shape = {key: getattr(module, key) for key in ("kernel_size", "stride", "padding")}
                n_inputs = 3 if module.in_channels == 3 else module.in_channels // 8
                narrow = nn.Conv2d(n_inputs, module.out_channels // 8, **shape, bias=module.bias is not None)
            case nn.BatchNorm2d():
                narrow = nn.BatchNorm2d(module.num_features // 8)
            case nn.Linear():
                narrow = nn.Linear(module.in_features // 8, classes if module.out_features == classes else module.out_features // 8)
            case _:
                continue
        network.set_submodule(place, narrow)
    return network


@pytest.fixture(scope="module")
def networks():
    """Networks of random weights and batch statistics, made when they are asked for; and what each ``said`` then."""

    class Networks(dict):
        said: dict[str, torch.Tensor] = {}

        def __missing__(self, name):
            torch.manual_seed(0)
            network = build(name).eval()
            for module in network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.running_mean.normal_(0, 0.1)
                    module.running_var.uniform_(0.5, 1)
                    module.num_batches_tracked.fill_(7)
            self[name], self.said[name] = network, logits(network)
            return network

    return Networks()


@torch.inference_mode()
def logits(network: nn.Module) -> torch.Tensor:
    """What a network says of two images of 64 px."""
    return network.eval()(torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))


def normaliser(mean=MEAN, std=STD) -> list[torch.Tensor]:
    return [torch.tensor(values).view(3, 1, 1) for values in (mean, std)]


def robustness(state: dict, prefix: str = "module.", mean=MEAN, rename=str) -> dict:
    """As the robustness package saves a network: everything twice, with the normalisation beside either; storages are shared."""
    saved = OrderedDict(zip([f"{prefix}normalizer.new_mean", f"{prefix}normalizer.new_std"], normaliser(mean), strict=True))
    saved |= {f"{prefix}model.{rename(name)}": tensor for name, tensor in state.items()}
    saved |= dict(zip([f"{prefix}attacker.normalize.new_mean", f"{prefix}attacker.normalize.new_std"], normaliser(mean), strict=True))
    return saved | {f"{prefix}attacker.model.{rename(name)}": tensor for name, tensor in state.items()}


def prefixed(state: dict, prefix: str) -> dict:
    return OrderedDict((f"{prefix}{name}", tensor) for name, tensor in state.items())


def renamed(state: dict, old: str, new: str) -> dict:
    found = {name.replace(old, new): tensor for name, tensor in state.items()}
    assert set(found) != set(state)
    return found


def legacy_densenet(state: dict) -> dict:
    """As torchvision's own DenseNet files name their tensors: norm.1 for norm1."""
    return {re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)\.", r"\1.\2.", name): tensor for name, tensor in state.items()}


def training(state: dict, key: str = "state_dict", **others) -> dict:
    """A whole training dictionary: the network beside its optimiser, its settings and its past."""
    momentum = {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    return {key: state, "optimizer": momentum, "epoch": 90, "best_prec1": torch.tensor(57.9), **others}


def last_layer(name: str) -> str:
    """AlexNet in the robustness package."""
    return name.replace("classifier.6.", "last_layer.")


def branch4_conv(name: str) -> str:
    """GoogLeNet in its fork."""
    return name.replace("branch4.1.", "branch4_conv.")


ROBUST = {"schedule": {"_last_lr": [0.1]}, "amp": None, "adv_prec1": torch.tensor(36.1), "args": Namespace(eps=3.0)}
LIGHTNING = {
    "pytorch-lightning_version": "2.4.0",
    "hyper_parameters": Namespace(lr=0.1),
    "callbacks": {"ModelCheckpoint{'monitor': 'top1'}": {"best_model_score": torch.tensor(0.5)}},
    "loops": {"fit_loop": {"state_dict": {}}},
}
FORMATS = {
    "plain": ("resnet18", lambda s: s),
    "parameters": ("resnet18", lambda s: {name: nn.Parameter(tensor, tensor.is_floating_point()) for name, tensor in s.items()}),
    "data-parallel": ("resnet18", lambda s: prefixed(s, "module.")),
    "robustness": ("resnet50", lambda s: training(robustness(s), "model", **ROBUST)),
    "robustness-older": ("resnet50", lambda s: training(robustness(s), "state_dict", **ROBUST)),
    "robustness-no-module": ("resnet50", lambda s: training(robustness(s, ""), "model")),
    "robust-models-transfer": ("resnet18", lambda s: {"model": robustness(s), "epoch": 90}),
    "robustness-alexnet": (
        "alexnet",
        lambda s: training(robustness(s, rename=last_layer), "model"),
    ),
    "robustness-googlenet": (
        "googlenet",
        lambda s: training(robustness(s, rename=branch4_conv), "model", **ROBUST),
    ),
    "stylized": ("resnet50", lambda s: training(prefixed(s, "module."), arch="resnet50")),
    "lightning-model": ("resnet18", lambda s: training(prefixed(s, "model."), **LIGHTNING)),
    "lightning-net-with-metric": ("resnet18", lambda s: training({**prefixed(s, "net."), "loss.weight": torch.ones(1000)}, **LIGHTNING)),
    "model_state_dict": ("resnet18", lambda s: training(s, "model_state_dict")),
    "net": ("resnet18", lambda s: training(prefixed(s, "module."), "net")),
    "nested": ("resnet18", lambda s: {"checkpoint": {"weights": {"model": s}}, "step": 3}),
    "equal-copies": ("resnet18", lambda s: training(s, "model", model_ema={name: tensor.clone() for name, tensor in s.items()})),
    "compiled": ("resnet18", lambda s: training(prefixed(s, "module._orig_mod."), "model")),
    "sharded-training": ("resnet18", lambda s: renamed(s, "layer1.", "_fsdp_wrapped_module.layer1._checkpoint_wrapped_module.")),
    "compiled-inside": ("resnet18", lambda s: renamed(s, "layer1.", "layer1._orig_mod.")),
    "densenet": ("densenet121", legacy_densenet),
    "no-counters": ("resnet18", lambda s: {name: tensor for name, tensor in s.items() if "num_batches" not in name}),
    "counted": ("resnet18", lambda s: {**s, "total_ops": torch.zeros(1), "layer1.total_params": torch.zeros(1)}),
    "aux-heads": ("googlenet", lambda s: {**s, "aux1.fc2.weight": torch.zeros(1000, 1024), "aux2.fc2.bias": torch.zeros(1000)}),
    "behind-a-normaliser": ("resnet18", lambda s: {"0.mean": normaliser()[0], "0.std": normaliser()[1], **prefixed(s, "1.")}),
    "mu-sigma": ("resnet18", lambda s: {"mu": normaliser()[0][None], "sigma": normaliser()[1][None], **s}),
}


CASES = [(name, True) for name in FORMATS] + [(name, False) for name in ("plain", "robust-models-transfer", "stylized", "lightning-model")]


@pytest.mark.parametrize("name, is_zip", CASES)
def test_formats_give_bit_identical_logits(networks, tmp_path, name, is_zip):
    architecture, wrap = FORMATS[name]
    content = wrap(networks[architecture].state_dict())
    torch.save(content, tmp_path / "net.pt", _use_new_zipfile_serialization=is_zip)
    torch.manual_seed(1)
    network = build(architecture)
    fitted = fit_to_network(read_checkpoint(str(tmp_path / "net.pt")), network)
    network.load_state_dict(fitted.tensors)
    found = logits(network)
    assert torch.equal(found, networks.said[architecture]) and found.isfinite().all()
    held = any(word in name for word in ("robust", "normaliser", "sigma"))
    assert fitted.normaliser == ((MEAN, STD) if held else None) and not fitted.normalises


def test_the_robustness_file_has_the_published_structure(networks, tmp_path):
    """644 keys for a ResNet-50, both copies on the same storages: so the file is not twice as large; what was done is in the card."""
    state = networks["resnet50"].state_dict()
    saved = robustness(state)
    assert len(saved) == 644 and len(state) == 320
    torch.save(training(saved, "model", **ROBUST), tmp_path / "robust.pt")
    size = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    assert size < (tmp_path / "robust.pt").stat().st_size < 1.1 * size
    checkpoint = read_checkpoint(str(tmp_path / "robust.pt"))
    assert checkpoint.ignored == ["argparse.Namespace"] and checkpoint.format == "torch file, read without the objects in it"
    fitted = fit_to_network(checkpoint, networks["resnet50"])
    assert fitted.part == "model.module.model" and fitted.renamed == {"module.model.* -> *": 320} and fitted.filled == 0
    assert fitted.dropped == {"module.normalizer.*": 2, "module.attacker.*": 322, "beside it: *": 2}


def test_safetensors_by_any_name(networks, tmp_path):
    state = networks["resnet18"].state_dict()
    for name in ("net.safetensors", "net.pth"):
        save_file(prefixed(state, "module."), tmp_path / name)
        checkpoint = read_checkpoint(str(tmp_path / name))
        assert checkpoint.format == "safetensors"
        assert all(torch.equal(tensor, state[key]) for key, tensor in fit_to_network(checkpoint, networks["resnet18"]).tensors.items())
    torch.save(state, tmp_path / "torch.safetensors")
    assert read_checkpoint(str(tmp_path / "torch.safetensors")).format == "torch file"


def fit(path, content, network, **options):
    torch.save(content, path / "net.pt")
    return fit_to_network(read_checkpoint(str(path / "net.pt")), network, **options)


def test_what_was_done_is_told(networks, tmp_path):
    state = networks["alexnet"].state_dict()
    fitted = fit(tmp_path, training(robustness(state, rename=last_layer), "model"), networks["alexnet"])
    assert fitted.renamed == {"module.model.* -> *": 16, "last_layer -> classifier.6": 2}
    dense = fit(tmp_path, legacy_densenet(networks["densenet121"].state_dict()), networks["densenet121"])
    assert dense.renamed == {f"{kind}.{n} -> {kind}{n}": 58 * size for kind, size in (("norm", 5), ("conv", 1)) for n in (1, 2)}
    bare = {name: tensor for name, tensor in networks["resnet18"].state_dict().items() if "num_batches" not in name}
    assert fit(tmp_path, bare, networks["resnet18"]).filled == 20
    inside = fit(tmp_path, renamed(bare, "layer1.", "layer1._orig_mod."), networks["resnet18"])
    assert inside.renamed == {"_orig_mod -> (nothing)": 20}


def test_half_precision_becomes_the_networks(networks, tmp_path):
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in networks["resnet18"].state_dict().items()}
    tensors = fit(tmp_path, half, networks["resnet18"]).tensors
    assert tensors["fc.weight"].dtype == torch.float32 and torch.equal(tensors["fc.weight"], half["fc.weight"].float())
    assert tensors["bn1.num_batches_tracked"].dtype == torch.int64


# ------------------------------------------------------------------------------------------------------------------ refusals
def without(state: dict, *names: str) -> dict:
    return {name: tensor for name, tensor in state.items() if not name.startswith(names)}


def changed(state: dict, name: str, tensor: torch.Tensor) -> dict:
    return {**state, name: tensor}


@pytest.mark.parametrize(
    "architecture, alter, said",
    [
        (
            "resnet18",
            lambda s: prefixed(s, "other_"),
            r"the 122 tensors of ResNet .conv1.weight, .*, got only 6 of them under one prefix, but other_conv1.weight, ",
        ),
        ("resnet18", lambda s: {"a": torch.ones(3)}, r"the 122 tensors of ResNet .*, got none of them, but a"),
        ("resnet18", lambda s: without(s, "layer3."), r"of ResNet, got 25 missing \(layer3.0.conv1.weight, .*, \.\.\.\)$"),
        ("resnet18", lambda s: changed(s, "layer1.0.se.weight", torch.ones(2)), r"got 1 unknown \(layer1.0.se.weight\)"),
        ("resnet18", lambda s: changed(without(s, "fc."), "head.weight", torch.ones(2)), r"2 missing \(fc.weight, fc.bias\) and 1 unknown"),
        (
            "resnet18",
            lambda s: changed(s, "conv1.weight", torch.ones(8, 3, 3, 3)),
            "conv1.weight of 8 x 3 x 7 x 7 as in ResNet, got 8 x 3 x 3 x 3$",
        ),
        (
            "resnet18",
            lambda s: changed(s, "conv1.weight", torch.ones(8, 1, 7, 7)),
            "got 8 x 1 x 7 x 7; it takes 1 channel: a factory of your own .* makes them of the images' 3",
        ),
        (
            "resnet18",
            lambda s: changed(s, "layer4.1.bn2.bias", torch.full((64,), torch.nan)),
            "finite weights, got 64 NaN or inf in layer4.1.bn2.bias",
        ),
        (
            "resnet18",
            lambda s: changed(s, "fc.bias", s["fc.bias"].clone().index_fill(0, torch.tensor([3]), torch.inf)),
            "got 1 NaN or inf in fc.bias",
        ),
        ("resnet18", lambda s: changed(s, "fc.bias", torch.full((1000,), 1e300, dtype=torch.float64)), "got 1,000 NaN or inf in fc.bias"),
        ("resnet18", lambda s: changed(s, "fc.bias", torch.full((1000,), 1 + 2j)), "real numbers in fc.bias, got torch.complex64"),
        ("resnet18", lambda s: changed(s, "fc.bias", torch.zeros(1000, dtype=torch.uint8).view(torch.bits8)), "real numbers in fc.bias"),
        (
            "alexnet",
            lambda s: build("alexnet", 10).state_dict(),
            "a network that decides among 1000 classes, as AlexNet is built, got one among 10; let",
        ),
        (
            "densenet121",
            lambda s: legacy_densenet(build("densenet121", 16).state_dict()),
            "among 1000 classes, as DenseNet is built, got one among 16",
        ),
        ("resnet18", lambda s: {}, "a dictionary of tensors, got an empty one"),
        ("resnet18", lambda s: {"epoch": 3, "lr": 0.1}, "a dictionary of tensors, got none in epoch, lr"),
        ("resnet18", lambda s: [], "a dictionary of tensors, got an empty one"),
        ("resnet18", lambda s: s["fc.bias"], "a dictionary of tensors, got Tensor; save the state_dict"),
        ("resnet18", lambda s: Namespace(a=1), r"a dictionary of tensors, got an object \(argparse.Namespace\); save the state_dict"),
        ("resnet18", lambda s: {"fc.bias": np.zeros(1000)}, r"got none in fc.bias; save tensors \(torch.from_numpy\), not arrays of NumPy"),
        (
            "resnet18",
            lambda s: changed(s, "fc.bias", s["fc.bias"].to_sparse()),
            r"plain numbers in fc.bias, got a tensor that is of another kind",
        ),
    ],
)
def test_what_does_not_fit_is_refused(networks, tmp_path, architecture, alter, said):
    with pytest.raises(InputError, match=f"net.pt: expected .*{said}"):
        fit(tmp_path, alter(networks[architecture].state_dict()), networks[architecture])


def test_no_such_file(tmp_path):
    with pytest.raises(InputError, match="gone.pt: expected a checkpoint file, got no such file"):
        read_checkpoint(str(tmp_path / "gone.pt"))


def test_heads_that_the_file_lacks(networks, tmp_path):
    network = build("googlenet", aux_logits=True)
    with pytest.raises(InputError, match=r"18 missing \(aux1.*; build it without those heads \(arguments: \{aux_logits: false\}\)"):
        fit(tmp_path, networks["googlenet"].state_dict(), network)
    assert fit(tmp_path, network.state_dict(), network).dropped == {}
    assert fit(tmp_path, network.state_dict(), networks["googlenet"]).dropped == {"aux1.*": 10, "aux2.*": 10}


def test_two_whole_networks_are_told_apart_by_the_user(networks, tmp_path):
    state = networks["resnet18"].state_dict()
    averaged = {name: tensor * 0.5 if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    both = training(state, "model", ema={"decay": 0.9, "shadow": averaged})
    with pytest.raises(
        InputError, match=r"expected one network, got two with other weights, ema.shadow and model; say which as models.<name>.part"
    ):
        fit(tmp_path, both, networks["resnet18"])
    for part, weights in (("model", state), ("ema.shadow", averaged)):
        found = fit(tmp_path, both, networks["resnet18"], part=part)
        assert found.part == part and torch.equal(found.tensors["fc.weight"], weights["fc.weight"])
    with pytest.raises(InputError, match="expected the part teacher, got ema.shadow, model"):
        fit(tmp_path, both, networks["resnet18"], part="teacher")
    one = {**prefixed(state, "student."), **prefixed(averaged, "teacher.")}
    with pytest.raises(InputError, match="two with other weights, student and teacher"):
        fit(tmp_path, one, networks["resnet18"])


def test_a_part_of_a_network_or_another_one_beside_it_is_no_rival(networks, tmp_path):
    """Nor is it left without a word: ``part`` says that it is."""
    state = networks["resnet18"].state_dict()
    trunk = {name: tensor + 1 for name, tensor in without(state, "fc.").items()}
    for place, other in (("a", build("resnet18", 10).state_dict()), ("backbone", trunk)):
        content = {place: other, "model": state}
        with pytest.raises(InputError, match=rf"of ResNet, got \d+ unknown \({place}.conv1.weight, .*; part: model takes this one without"):
            fit(tmp_path, content, networks["resnet18"])
        found = fit(tmp_path, content, networks["resnet18"], part="model")
        assert found.part == "model" and list(found.dropped) == [f"{place}: *"]


# ---------------------------------------------------------------------------------------------------------------- normalisers
def test_normalisers(networks, tmp_path):
    network, state = networks["resnet18"], networks["resnet18"].state_dict()
    cifar = [0.4914, 0.4822, 0.4465]
    assert fit(tmp_path, robustness(state, mean=cifar), network).normaliser == (cifar, STD)
    scalar = {"norm.mean": torch.tensor(0.5), "norm.std": torch.tensor([0.25])}
    assert fit(tmp_path, {**scalar, **prefixed(state, "net.")}, network).normaliser == ([0.5] * 3, [0.25] * 3)


def test_a_number_of_a_loss_is_no_normaliser(networks, tmp_path):
    beside = {"loss.sigma": torch.tensor(2.0), **prefixed(networks["resnet18"].state_dict(), "model.")}
    assert fit(tmp_path, {"state_dict": beside}, networks["resnet18"]).normaliser is None


class Normalising(nn.Module):
    """A network that normalises by itself."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network
        self.register_buffer("mu", normaliser()[0])
        self.register_buffer("sigma", normaliser()[1])


def test_a_network_that_normalises_by_itself(networks, tmp_path):
    network = Normalising(networks["resnet18"])
    fitted = fit(tmp_path, network.state_dict(), network)
    assert fitted.normalises and fitted.normaliser is None and "mu" in fitted.tensors


# ------------------------------------------------------------------------------------------------- tensors of other networks
def test_tensors_of_a_file_that_holds_one_network(tmp_path):
    state = {"maps.weight": torch.eye(3), "maps.bias": torch.zeros(3)}
    for content in (state, training(state), training(state, "model", args=Namespace(a=1))):
        torch.save(content, tmp_path / "net.pth")
        found = read_tensors(str(tmp_path / "net.pth"))
        assert list(found) == list(state) and torch.equal(found["maps.weight"], state["maps.weight"])
    torch.save({"model": state, "ema": state}, tmp_path / "net.pth")
    with pytest.raises(InputError, match="the tensors of one network, got as many in model as in ema"):
        read_tensors(str(tmp_path / "net.pth"))


def test_a_model_of_tensorflow_js(tmp_path):
    """The format is told by its content; what it holds is tested with its reader."""
    weight = np.arange(24, dtype="<f4")
    weight.tofile(tmp_path / "shard.bin")
    listed = {"paths": ["shard.bin"], "weights": [{"name": "conv1/kernel", "shape": [2, 2, 3, 2], "dtype": "float32"}]}
    (tmp_path / "model.json").write_text(json.dumps({"weightsManifest": [listed]}))
    found = read_checkpoint(str(tmp_path / "model.json"))
    assert found.format == "layers model of TensorFlow.js"
    assert torch.equal(found.parts[""]["conv1.weight"], torch.from_numpy(weight).view(2, 2, 3, 2).permute(3, 2, 0, 1))
