"""PGD against torchattacks 3.5.1 and foolbox 3.3.4, without a random start and without the best iterate, which neither of them has."""

import sys

import pytest
import torch
from attacks import load_peers  # from bench/

from robustlens.models.attacks import pgd
from tiny import HALF, classifier, random_network

pytestmark = pytest.mark.packages
LINF = [(8 / 255, 2 / 255, 10), (0.05, 0.02, 7)]
L2 = [(1.0, 0.2, 10), (3.0, 0.5, 7)]
LABELS = torch.arange(12) % 5


@pytest.fixture(scope="module")
def attack_with(tmp_path_factory):
    """``attack_with[peer](model, images, labels, norm, eps, step, steps)``: the images that a peer makes of them."""
    known = set(sys.modules)
    yield load_peers(tmp_path_factory.mktemp("peers"))
    for name in set(sys.modules) - known:
        if name.partition(".")[0] in ("torchattacks", "foolbox", "eagerpy"):
            del sys.modules[name]


@pytest.fixture(params=["alexnet", "googlenet", "resnet"])
def model(request):
    """In the plain order of memory: torchattacks reads gradients through a view that no other order has."""
    return classifier(random_network(request.param, classes=5), **HALF).to(memory_format=torch.contiguous_format)


def images(levels: int) -> torch.Tensor:
    """float32 [12, 3, 16, 16] of whole numbers of 1 / ``levels``; the first ones are black and white, where clipping bites."""
    torch.manual_seed(1)
    found = (torch.rand(12, 3, 16, 16) * 255).round() / levels
    found[0], found[1] = 0, 255 / levels
    return found


def furthest(model, pixels, peer, norm, eps, step, steps) -> float:
    """The largest difference of a pixel; fails where the attack did nothing."""
    found = pgd(model, pixels, LABELS, norm=norm, eps=eps, step=step, steps=steps)
    assert (found - pixels).abs().max() > step / 100
    return (found - peer(model, pixels, LABELS, norm, eps, step, steps)).abs().max().item()


@pytest.mark.parametrize("name", ["torchattacks", "foolbox"])
@pytest.mark.parametrize(("eps", "step", "steps"), LINF)
def test_linf_is_the_peers_to_the_last_bit(model, attack_with, name, eps, step, steps):
    """On pixels of 1/256, whose sums with a change are rounded alike whatever their order; on those of 1/255 to one last place."""
    assert furthest(model, images(256), attack_with[name], "linf", eps, step, steps) == 0
    assert furthest(model, images(255), attack_with[name], "linf", eps, step, steps) <= 2**-24


@pytest.mark.parametrize("name", ["torchattacks", "foolbox"])
@pytest.mark.parametrize(("eps", "step", "steps"), L2)
def test_l2_is_the_peers_to_rounding(model, attack_with, name, eps, step, steps):
    """Their gradients are those of the mean and of the sum of the losses: scaled to norm 1 an image, they are one direction."""
    assert furthest(model, images(255), attack_with[name], "l2", eps, step, steps) < 1e-5
