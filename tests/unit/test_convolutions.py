"""The kernels that convolutions convolve with, against what each kind is defined to do with its tensors; and their total variation."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from measure_filters import main
from robustlens.models.convolutions import convolutions, describe_kernels, effective_kernels
from robustlens.models.filters import read_filters
from robustlens.models.layers import find_layers
from robustlens.models.registry import load_model, save_model, save_weights
from robustlens.neurons.total_variation import total_variation
from tiny import HALF

RAW = torch.tensor([[[[0.0, 2.0], [4.0, 0.0]]], [[[3.0, 0.0], [0.0, 4.0]]]])  # two filters of one input, 2 x 2


class Standardised(nn.Conv2d):
    """Kernels of mean 0 and standard deviation 1 (Qiao et al., arXiv 1903.10520)."""

    def forward(self, images):
        spread, mean = torch.std_mean(self.weight, dim=(1, 2, 3), keepdim=True, correction=0)
        return nn.functional.conv2d(images, (self.weight - mean) / spread, self.bias, self.stride, self.padding)


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight


def plain() -> nn.Conv2d:
    conv = nn.Conv2d(1, 2, 2)
    with torch.no_grad():
        conv.weight.copy_(RAW)
    return conv


def weight_normed(apply=parametrizations.weight_norm):
    """Length 10 times a direction of unit length: the second filter, of length 5, is doubled; the first is put to the length of 10."""
    conv = apply(plain())
    length = getattr(conv, "weight_g", None)
    with torch.no_grad():
        (conv.parametrizations.weight.original0 if length is None else length).fill_(10.0)
    return conv


def spectral(apply=parametrizations.spectral_norm):
    """Divided by the largest singular value of the matrix of filters; rows (0 2 4 0) and (3 0 0 4) are orthogonal, the longer has 5."""
    conv = apply(plain(), n_power_iterations=100)
    conv.train()(torch.zeros(1, 1, 2, 2))  # by training alone are its vectors moved
    return conv.eval()


def pruned():
    conv = plain()
    prune.custom_from_mask(conv, "weight", torch.tensor([[[[1, 1], [0, 1]]], [[[1, 1], [1, 0]]]]))
    return conv


def standardised():
    conv = Standardised(1, 2, 2)
    conv.load_state_dict(plain().state_dict())
    return conv


def doubled():
    conv = plain()
    parametrize.register_parametrization(conv, "weight", Doubled())
    return conv


# total variation of [[a, b], [c, d]] is |a - c| + |b - d| + |a - b| + |c - d|: 4 + 2 + 2 + 4 = 12 and 3 + 4 + 3 + 4 = 14 of RAW
UNIT = 10 / np.sqrt(20)
KINDS = {  # a convolution -> the total variation of its two filters, and what its state dict holds of the kernel
    "plain": (plain, [12, 14], ["weight"]),
    "parametrised": (doubled, [24, 28], ["parametrizations.weight.original"]),
    "weight norm": (weight_normed, [12 * UNIT, 28], ["parametrizations.weight.original0", "parametrizations.weight.original1"]),
    "weight norm, hooks": (lambda: weight_normed(nn.utils.weight_norm), [12 * UNIT, 28], ["weight_g", "weight_v"]),
    "spectral norm": (spectral, [12 / 5, 14 / 5], ["parametrizations.weight.original"]),
    "spectral norm, hooks": (lambda: spectral(nn.utils.spectral_norm), [12 / 5, 14 / 5], ["weight_orig"]),
    "pruned": (pruned, [4, 6], ["weight_orig", "weight_mask"]),  # [[0, 2], [0, 0]] and [[3, 0], [0, 0]]
    "standardised": (standardised, [12 / np.sqrt(2.75), 14 / np.sqrt(3.1875)], ["weight"]),  # means 1.5 and 1.75, mean squares 5 and 6.25
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_kernel_that_convolves_is_measured(kind):
    make, expected, held = KINDS[kind]
    network = nn.Sequential(make())
    (kernel,) = effective_kernels(network).values()
    np.testing.assert_allclose(total_variation(kernel[:, 0].double().numpy()), expected, rtol=1e-5)
    assert set(held) <= {name.removeprefix("0.") for name in network.state_dict()}
    assert describe_kernels(network) == {"convolutions": ["0"], "computed": [] if kind == "plain" else ["0"], "unmeasured": []}
    response = network.eval()(torch.eye(4).view(4, 1, 2, 2))[:, :, 0, 0] - network(torch.zeros(1, 1, 2, 2)).view(1, 2)
    torch.testing.assert_close(response.T.reshape(2, 1, 2, 2), kernel)  # one pixel at a time


def test_an_orthogonal_kernel():
    conv = parametrizations.orthogonal(plain())
    (kernel,) = effective_kernels(nn.Sequential(conv)).values()
    torch.testing.assert_close(kernel @ kernel.mT, torch.eye(2).expand(2, 1, 2, 2))  # each filter of 2 x 2


def test_kernels_of_timm():
    layers = pytest.importorskip("timm.layers")
    conv = layers.ScaledStdConv2d(3, 4, 3)
    network = nn.Sequential(conv, layers.StdConv2d(4, 4, 3, groups=2))
    kernels = effective_kernels(network)
    assert list(kernels) == ["0", "1"] and kernels["1"].shape == (4, 2, 3, 3)
    spread, mean = torch.std_mean(conv.weight, dim=(1, 2, 3), keepdim=True, correction=0)
    torch.testing.assert_close(kernels["0"], ((conv.weight - mean) / spread / 27**0.5).detach(), atol=1e-4, rtol=1e-3)


def test_a_convolution_without_one_kernel_is_named_and_left_out():
    class Two(nn.Conv2d):
        def forward(self, images):
            return super().forward(images) + super().forward(-images)

    class Picky(nn.Conv2d):
        def forward(self, images, offsets):
            return super().forward(images + offsets)

    network = nn.Sequential(Two(3, 2, 1), nn.Conv2d(2, 2, (3, 1), dilation=2, padding_mode="circular", padding=1), Picky(2, 2, 1))
    network.train()
    assert describe_kernels(network) == {"convolutions": ["1"], "computed": [], "unmeasured": ["0", "2"]}
    assert convolutions(network) == ["0", "1", "2"] and all(module.training for module in network.modules())


def mixed_net(**_) -> nn.Module:
    """One of each kind in a row; the test's own factory."""
    torch.manual_seed(0)
    normed = parametrizations.weight_norm(nn.Conv2d(3, 4, 3, padding=1))
    clipped = prune.l1_unstructured(nn.Conv2d(4, 4, 3, padding=1), "weight", 0.5)
    body = nn.Sequential(normed, nn.ReLU(), clipped, nn.ReLU(), Standardised(4, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.ReLU())
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


@pytest.fixture
def saved(tmp_path):
    """A network of every kind, as it is imported or trained: weights, card, and the weights before training."""
    network = mixed_net()
    save_weights(tmp_path / "initial.safetensors", network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 1.5
    save_model(tmp_path, network, {"model": "net", "architecture": "test_convolutions:mixed_net", "arguments": {}, **HALF})
    return tmp_path, network


def test_filters_of_all_kinds_are_measured_to_the_end(saved):
    folder, network = saved
    files = [[str(folder / name)] for name in ("weights.safetensors", "card.json", "initial.safetensors")]
    main(*files, str(folder / "filters.parquet"), models=["net"], trained=["net"])
    table = pd.read_parquet(folder / "filters.parquet")
    card = json.loads((folder / "card.json").read_text())
    assert card["computed"] == ["0.0", "0.2", "0.4"] and card["convolutions"] == ["0.0", "0.2", "0.4", "0.6"]
    assert table.groupby(["weights", "layer"]).size().tolist() == [4] * 8
    network.eval()(torch.zeros(1, 3, 8, 8))  # after a pass the modules themselves have the tensors
    kernels = {"0.0": network[0][0].weight, "0.2": network[0][2].weight, "0.6": network[0][6].weight}
    for layer, kernel in kernels.items():
        found = table[(table["layer"] == layer) & (table["weights"] == "trained")]["total_variation"]
        np.testing.assert_allclose(found, total_variation(kernel.detach().double().numpy()).sum(1), rtol=1e-6)
    first = read_filters(*(str(folder / name) for name in ("weights.safetensors", "card.json")), first=True)
    assert list(first) == ["0.0"] and np.array_equal(first["0.0"], network[0][0].weight.detach().numpy())
    both = table[table["layer"] == "0.4"].groupby("weights")["total_variation"].sum()
    assert both["trained"] == pytest.approx(both["initial"], rel=1e-6)  # standardised: the factor is gone
    model = load_model(*(str(folder / name) for name in ("weights.safetensors", "card.json")), "cpu")
    torch.testing.assert_close(model(torch.rand(2, 3, 8, 8)).shape, torch.Size([2, 3]))


def test_layers_of_parametrised_networks_are_those_of_the_plain_one():
    def net(wrap):
        body = nn.Sequential(wrap(nn.Conv2d(3, 4, 3)), nn.ReLU(), wrap(nn.Conv2d(4, 4, 3)), nn.BatchNorm2d(4), nn.ReLU())
        return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))

    expected = find_layers(net(lambda conv: conv), 12)
    assert expected == ["0.1", "0.4"]
    assert find_layers(net(parametrizations.weight_norm), 12) == find_layers(net(parametrizations.spectral_norm), 12) == expected
