"""LeNet on grey images in RGB: the same logits, and the same Linf attack, as the network of one channel."""

import pytest
import torch
from torch import nn

from robustlens.models.attacks import pgd
from robustlens.models.lenet import LeNet


@pytest.fixture
def network():
    torch.manual_seed(0)
    return LeNet().eval().requires_grad_(False)


@pytest.fixture
def grey():
    torch.manual_seed(1)
    images = torch.rand(6, 1, 28, 28)
    images[0], images[1] = 0, 1  # where steps leave the pixel range
    return images


def test_logits_of_a_grey_image_are_those_of_one_channel(network, grey):
    plain = nn.Sequential(*network.children())
    plain.insert(6, nn.Flatten())
    assert torch.allclose(network(grey.expand(-1, 3, -1, -1)), plain(grey), atol=1e-6)


def test_an_linf_attack_in_rgb_is_that_on_the_grey_image(network, grey):
    labels = torch.arange(6)
    settings = {"norm": "linf", "eps": 0.1, "step": 0.01, "steps": 15}
    in_rgb = pgd(network, grey.expand(-1, 3, -1, -1), labels, **settings)
    alone = pgd(network.of_grey, grey, labels, **settings)
    assert torch.equal(in_rgb[:, 0], in_rgb[:, 1]) and torch.equal(in_rgb[:, 0], in_rgb[:, 2])
    assert ((in_rgb[:, :1] - alone).abs() < 1e-5).float().mean() > 0.999  # the sign of a gradient near 0 may go with its rounding
    assert (alone - grey).abs().amax() > 0.09


def test_from_a_random_start_the_grey_image_stays_in_the_ball(network, grey):
    start = (torch.rand(6, 3, 28, 28) * 2 - 1) * 0.1
    moved = pgd(network, grey.expand(-1, 3, -1, -1), torch.arange(6), norm="linf", eps=0.1, step=0.01, steps=5, start=start)
    assert (moved.mean(1, keepdim=True) - grey).abs().amax() <= 0.1 + 1e-6
