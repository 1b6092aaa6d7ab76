"""Networks cut behind a layer: the tail on copies of its output against the whole network run anew."""

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from robustlens.models.registry import Classifier
from robustlens.neurons.tails import COPIES, Tails, zeroed_logits
from tiny import HALF, Channels, classifier, random_network


class Prefix(nn.Module):
    """Counts how many images went through it."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 6, 3, padding=1), nn.Linear(6, 5)
        self.seen = 0

    def forward(self, images):
        self.seen += len(images)
        maps = self.first(images).relu_()
        return self.head((torch.cat([self.second(maps)[:, :2], maps], 1).relu_()).mean((2, 3)))


def network_of(name: str) -> nn.Module:
    """A network with random weights; torchvision's with a short run of random numbers in every parameter, so that decisions differ."""
    torch.manual_seed(0)
    if name in ("alexnet", "googlenet", "resnet"):
        return random_network(name, classes=5)
    if name == "vit":
        found = torchvision.models.VisionTransformer(32, 8, 2, 2, 24, 48, num_classes=5)
    elif name == "swin":
        found = torchvision.models.SwinTransformer([2, 2], 12, [2, 2], [2, 2], [4, 4], num_classes=5)
    else:
        found = torchvision.models.get_model(name, weights=None, num_classes=5)
    for parameter in found.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return found


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("alexnet", ["conv1", "conv2", "conv5"]),
        ("googlenet", ["inception3", "inception3.branch1", "inception4.branch2.0"]),
        ("resnet", ["conv1", "layer1.second", "layer2.shortcut", "layer3"]),
        ("resnet18", ["conv1", "bn1", "layer2.0.conv1", "layer3"]),
        ("vit", ["conv_proj", "encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_1.mlp"]),
        ("swin", ["features.1.0.attn", "features.1", "features.3.1.mlp"]),
    ],
)
def test_every_unit_as_if_the_whole_network_ran_anew(name, layers, caplog):
    """Sets of units of all sizes; the logits of every copy, to rounding, and the decisions, are those of the naive way."""
    caplog.set_level("INFO", "robustlens")
    model, images = classifier(network_of(name), layers, **HALF), torch.rand(6, 3, 32, 32)
    with torch.inference_mode():
        passed = Tails(model, layers)(images)
        np.testing.assert_allclose(passed.logits, model(images), rtol=1e-4, atol=1e-4)
        for layer in layers:
            n_units = passed.layouts[layer].n_units
            zeros = [[], [0], [n_units - 1], list(range(n_units)), list(range(0, n_units, 2))]
            found, naive = passed.zeroed(layer, zeros), zeroed_logits(model, images, {layer: zeros})
            assert found.shape == (COPIES, 6, 5)
            np.testing.assert_allclose(found, naive, rtol=1e-3, atol=1e-4)
            np.testing.assert_array_equal(found.argmax(2), naive.argmax(2))
            np.testing.assert_allclose(found[5:], passed.logits.expand(3, -1, -1), rtol=1e-3, atol=1e-4)
            assert not torch.allclose(found[3], passed.logits)
    assert not caplog.messages  # none was run as a whole


def test_the_prefix_runs_once():
    model, images = classifier(Prefix(), ["second"]), torch.rand(6, 3, 8, 8)
    tails = Tails(model, ["second"])
    tails(images)
    seen = model.network.seen
    operations = []

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            operations.append(str(func))
            return func(*args, **(kwargs or {}))

    passed = tails(images)
    with Watch():
        passed.zeroed("second", [[0], [1]])
    assert not any("convolution" in name for name in operations) and any("addmm" in name for name in operations)
    assert model.network.seen == seen  # the network's own code ran for the trace alone


def test_what_comes_in_place_behind_a_layer_and_what_goes_round_it():
    """Of two uses of one tensor that is changed in place, each sees what it would see."""
    torch.manual_seed(0)
    model, images = classifier(Prefix(), ["first", "second"]), torch.randn(6, 3, 8, 8)
    with torch.inference_mode():
        passed = Tails(model, ["first", "second"])(images)
        for layer, zeros in (("first", [[0], [1, 2]]), ("second", [[0], [1]])):
            np.testing.assert_allclose(passed.zeroed(layer, zeros), zeroed_logits(model, images, {layer: zeros}), atol=1e-5)


class ByItsNumbers(Channels):
    """Its way depends on the numbers, so it cannot be traced."""

    def forward(self, images):
        return super().forward(images) * (2 if float(images.mean()) > 0.5 else 1)


class Remembers(Channels):
    """Leaves torch."""

    def forward(self, images):
        return super().forward(torch.from_numpy(images.numpy().copy()))


@pytest.mark.parametrize("network", [ByItsNumbers, Remembers])
def test_a_network_that_cannot_be_traced_is_run_as_a_whole(network, caplog):
    caplog.set_level("INFO", "robustlens")
    model, images = classifier(network(), ["maps"]), torch.rand(6, 3, 8, 8)
    with torch.inference_mode():
        passed = Tails(model, ["maps"])(images)
        found = passed.zeroed("maps", [[0], [1, 2]])
        assert torch.equal(passed.logits, model(images))
    assert caplog.messages[0].startswith("run as a whole for each changed batch: ")
    assert (found[0][:, 0] == 0).all() and (found[0][:, 1:] != 0).all()
    assert (found[1][:, 0] != 0).all() and (found[1][:, 1:] == 0).all()
    assert torch.equal(found[2], passed.logits)


def test_a_batch_of_another_size_is_traced_anew():
    model = classifier(random_network(classes=5, width=8), ["conv3"], **HALF)
    tails = Tails(model, ["conv3"])
    with torch.inference_mode():
        whole = tails(torch.ones(4, 3, 16, 16)).zeroed("conv3", [[0]])
        part = tails(torch.ones(2, 3, 16, 16)).zeroed("conv3", [[0]])
    np.testing.assert_allclose(whole[:, :2], part, rtol=1e-4, atol=1e-5)


def test_units_of_several_layers_at_once():
    model: Classifier = classifier(random_network(classes=5, width=8), ["conv1", "conv2"], **HALF)
    images = torch.rand(4, 3, 16, 16)
    with torch.inference_mode():
        both = zeroed_logits(model, images, {"conv1": [[], [0], [], [0]], "conv2": [[], [], [1], [1]]})
        passed = Tails(model, ["conv1", "conv2"])(images)
        for copy, layer in ((0, "conv1"), (1, "conv1"), (2, "conv2")):
            zeros = [[], [0], [1]][copy]
            np.testing.assert_allclose(both[copy], passed.zeroed(layer, [zeros])[0], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(both[3], both[1]) and not torch.allclose(both[3], both[2])


def test_without_numbers_the_tail_can_be_counted():
    """On the meta device, where the plan counts operations."""
    model = classifier(random_network("resnet", classes=5), ["conv1", "layer1.second"], **HALF).to("meta")
    passed = Tails(model, model.layers)(torch.empty(1, 3, 16, 16, device="meta"))
    assert {layer: passed.zeroed(layer, []).shape for layer in model.layers} == dict.fromkeys(model.layers, (COPIES, 1, 5))
