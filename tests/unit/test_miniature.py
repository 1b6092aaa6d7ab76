"""The miniature networks: sizes, layers after their ReLU, and blocks worked out on paper."""

import pytest
import torch
from torch import nn

from robustlens.models import miniature
from tiny import random_network

# layer: units and side of its maps for a 32 px image
LAYERS = {
    "alexnet": {"conv1": (24, 16), "conv2": (48, 8), "conv3": (48, 4), "conv4": (48, 4), "conv5": (48, 4)},
    "googlenet": {"conv1": (24, 16), "conv2": (48, 8), "inception3": (64, 4), "inception4": (64, 4), "inception5": (96, 4)},
    "resnet": {"conv1": (24, 16), "layer1": (24, 8), "layer2": (48, 4), "layer3": (72, 4)},
}


def plain(module: nn.Module) -> nn.Module:
    """Batch normalisation that changes nothing (but for its epsilon), weights of zero."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eps = 1e-12  # 1 + eps is 1; the oldest torch refuses 0
        if isinstance(part, nn.Conv2d):
            nn.init.zeros_(part.weight)
    return module.eval()


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_taken_after_their_relu(name):
    network = random_network(name, classes=8).eval()
    maps = {}
    for layer in LAYERS[name]:
        getattr(network, layer).register_forward_hook(lambda _, __, output, layer=layer: maps.__setitem__(layer, output))
    with torch.no_grad():
        assert network(torch.randn(2, 3, 32, 32)).shape == (2, 8)
    assert {layer: (found.shape[1], found.shape[2]) for layer, found in maps.items()} == LAYERS[name]
    assert [name for name, _ in network.named_children()] == [*LAYERS[name], "head"]  # the study's layers are all there are
    for found in maps.values():
        assert found.min() == 0 and found.max() > 0


def conv(n_inputs: int, n_outputs: int, kernel: int) -> int:
    """Weights of a convolution without bias, with the two of each unit's batch normalisation."""
    return n_inputs * n_outputs * kernel**2 + 2 * n_outputs


def inception(n: int, outputs: int) -> int:
    q, e = outputs // 4, outputs // 8
    return 2 * conv(n, q, 1) + conv(q, 2 * q, 3) + 2 * conv(n, e, 1) + conv(e, e, 3)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("alexnet", conv(3, 24, 7) + conv(24, 48, 5) + 3 * conv(48, 48, 3) + 49 * 96 + 97 * 8),
        ("googlenet", conv(3, 24, 7) + conv(24, 48, 3) + inception(48, 64) + inception(64, 64) + inception(64, 96) + 97 * 8),
        (
            "resnet",
            conv(3, 24, 7)
            + 2 * conv(24, 24, 3)  # the first block keeps its input
            + conv(24, 48, 3)
            + conv(48, 48, 3)
            + conv(24, 48, 1)
            + conv(48, 72, 3)
            + conv(72, 72, 3)
            + conv(48, 72, 1)
            + 73 * 8,
        ),
    ],
)
def test_numbers_of_weights_on_paper(name, weights):
    assert sum(parameter.numel() for parameter in getattr(miniature, name)(classes=8).parameters()) == weights


def test_alexnet_of_another_width():
    network = miniature.alexnet(classes=3, width=16)
    assert network.conv1[0].weight.shape == (8, 3, 7, 7)
    assert network.conv5[0].weight.shape == (16, 16, 3, 3)
    assert network.head[-1].weight.shape == (3, 32)


def test_a_residual_block_without_body_is_a_relu():
    block = plain(miniature.Residual(4, 4))
    maps = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(block(maps), maps.relu())
    with torch.no_grad():
        block.second[1].bias.fill_(0.5)  # the body now gives 1/2 everywhere, and is added before the ReLU
    torch.testing.assert_close(block(maps), (maps + 0.5).relu())


def test_a_residual_block_that_shrinks():
    block = plain(miniature.Residual(4, 6, stride=2))
    with torch.no_grad():
        block.shortcut[0].weight[:4, :, 0, 0] = torch.eye(4)
    maps = torch.randn(1, 4, 6, 6)
    expected = torch.cat([maps[:, :, ::2, ::2].relu(), torch.zeros(1, 2, 3, 3)], 1)
    torch.testing.assert_close(block(maps), expected)


def test_the_branches_of_an_inception_lie_side_by_side():
    block = plain(miniature.Inception(3, 16))
    with torch.no_grad():
        for n, branch in enumerate([block.branch1[1], block.branch2[1][1], block.branch3[1][1], block.branch4[1][1]]):
            branch.bias.fill_(n + 1)
        block.branch4[1][0].weight[:, 0, 0, 0] = 1
    maps = torch.zeros(1, 3, 4, 4)
    maps[0, 0, 0, 0] = 2
    joined = block(maps)
    assert joined[0, :, 3, 3].tolist() == [1] * 4 + [2] * 8 + [3] * 2 + [4] * 2
    pooled = torch.zeros(4, 4)
    pooled[:2, :2] = 2  # the largest of 3 x 3 neighbours
    torch.testing.assert_close(joined[0, 14], 4 + pooled)


@pytest.mark.parametrize("name", LAYERS)
def test_each_image_is_seen_alone(name):
    network = random_network(name, classes=5).eval()
    images = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network(images)[2:3], network(images[2:3]))
