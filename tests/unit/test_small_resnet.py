"""The small residual networks: their size, the maps that a study looks at, and that those carry everything."""

import pytest
import torch
from torch import nn

from robustlens.errors import InputError
from robustlens.models.small_resnet import resnet8, resnet20

LAYERS = ("conv1", "layer1", "layer2", "layer3")


def outputs(network: nn.Module, images: torch.Tensor) -> dict[str, torch.Tensor]:
    found = {}
    for name in LAYERS:
        network.get_submodule(name).register_forward_hook(lambda module, given, made, name=name: found.update({name: made}))
    network.eval()(images)
    return found


def n_weights(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_number_of_weights_is_that_of_the_paper():
    """270 thousand for 20 layers (He et al. 2016, table 6); and of a block by hand."""
    assert round(n_weights(resnet20(10)) / 1e6, 2) == 0.27
    assert n_weights(resnet8(10)) - n_weights(resnet8(9)) == 64 + 1
    block = 2 * (16 * 16 * 9 + 2 * 16)
    assert n_weights(resnet20(10).layer1) == 3 * block
    assert sum(isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3) for module in resnet20(10).modules()) + 1 == 20


@pytest.mark.parametrize(("stride", "sides"), [(1, (32, 32, 16, 8)), (2, (16, 16, 8, 4))])
def test_maps_are_rectified_and_as_large_as_they_should_be(stride, sides):
    found = outputs(resnet8(10, width=8, stride=stride), torch.rand(2, 3, 32, 32))
    assert [tuple(found[name].shape) for name in LAYERS] == [(2, 8 * n, s, s) for n, s in zip((1, 1, 2, 4), sides, strict=True)]
    assert all(maps.min() == 0 and maps.max() > 0 for maps in found.values())


@pytest.mark.parametrize("name", LAYERS)
def test_nothing_passes_a_layer_by(name):
    """With its maps at zero the logits do not depend on the image."""
    network = resnet8(10, width=8).eval()
    network.get_submodule(name).register_forward_hook(lambda module, given, made: torch.zeros_like(made))
    with torch.inference_mode():
        first, second = network(torch.rand(2, 3, 32, 32))
    assert torch.equal(first, second)


def test_images_of_any_size():
    assert resnet8(10, width=8, stride=2)(torch.rand(2, 3, 48, 40)).shape == (2, 10)


def test_no_blocks_and_no_units_are_refused():
    with pytest.raises(InputError, match="1 or more each, got 1, 0, 1"):
        resnet8(10, width=0)
