"""PGD against torchattacks 3.5.1 and foolbox 3.3.4, without a random start and without the best iterate, which neither of them has.

What they make of four images of one network is stored, so that the packages are not needed; with them, more of both is compared. After
other versions: ``PYTHONPATH=bench:tests:workflow_scripts python tests/unit/test_attacks_peer.py`` stores it anew.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from attacks import load_peers  # from bench/
from torch import nn

from robustlens.models.attacks import pgd
from tiny import HALF, classifier, random_network

STORED = Path(__file__).parents[1] / "stored" / "attacks.json"
LINF = [(8 / 255, 2 / 255, 10), (0.05, 0.02, 7)]
L2 = [(1.0, 0.2, 10), (3.0, 0.5, 7)]
LABELS = torch.arange(12) % 5


# --------------------------------------------------------------------------------------------------------------------- stored
GRID = {"linf": [(8 / 256, 2 / 256, 10), (13 / 256, 5 / 256, 7)], "l2": [(1.0, 0.2, 10), (3.0, 0.5, 7)]}


def network() -> nn.Module:
    """Of weights on a grid, so that logits of images on a grid are sums without rounding, and gradients lie far from 0."""
    draw = np.random.default_rng(0)
    found = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 25, 3))
    with torch.no_grad():
        for number, parameter in enumerate(found.parameters()):
            parameter.copy_(torch.from_numpy(draw.integers(-7, 8, parameter.shape) / (8 if number < 2 else 64)))
    return found.eval()


def on_the_grid() -> tuple[torch.Tensor, torch.Tensor]:
    """Four images [3, 5, 5] of whole numbers of 1/256, the first black, the second nearly white; and their labels."""
    found = np.random.default_rng(1).integers(0, 257, (4, 3, 5, 5)) / 256
    found[0], found[1] = 0, 255 / 256
    return torch.from_numpy(found).float(), torch.tensor([0, 1, 2, 0])


def changes(attack) -> dict[str, list[int]]:
    """Of each norm and strength the change of each pixel in millionths; of Linf, where it is exact, in 256ths."""
    images, labels = on_the_grid()
    found = {}
    for norm, strengths in GRID.items():
        for eps, step, steps in strengths:
            change = attack(network(), images, labels, norm, eps, step, steps).double() - images.double()
            scaled = change.flatten() * (256 if norm == "linf" else 1e6)
            assert norm == "l2" or torch.equal(scaled, scaled.round())
            found[f"{norm}, radius {eps:g}"] = scaled.round().int().tolist()
    return found


def here(model, images, labels, norm, eps, step, steps):
    return pgd(model, images, labels, norm=norm, eps=eps, step=step, steps=steps)


def test_changes_are_those_stored_of_the_peers():
    stored = json.loads(STORED.read_text())
    found = changes(here)
    assert found.keys() == stored.keys()
    for name, expected in stored.items():
        assert np.abs(np.subtract(found[name], expected)).max() <= (0 if "linf" in name else 10)
        assert np.abs(expected).reshape(4, -1).max(1).min() > 0  # each image was attacked


@pytest.mark.packages
@pytest.mark.full
@pytest.mark.parametrize("name", ["torchattacks", "foolbox"])
def test_what_is_stored_is_the_peers(attack_with, name):
    stored = json.loads(STORED.read_text())
    for key, found in changes(attack_with[name]).items():
        assert np.abs(np.subtract(found, stored[key])).max() <= (0 if "linf" in key else 10)


# ------------------------------------------------------------------------------------------------------------------ the packages
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


@pytest.mark.packages
@pytest.mark.full
@pytest.mark.parametrize("name", ["torchattacks", "foolbox"])
@pytest.mark.parametrize(("eps", "step", "steps"), LINF)
def test_linf_is_the_peers_to_the_last_bit(model, attack_with, name, eps, step, steps):
    """On pixels of 1/256, whose sums with a change are rounded alike whatever their order; on those of 1/255 to one last place."""
    assert furthest(model, images(256), attack_with[name], "linf", eps, step, steps) == 0
    assert furthest(model, images(255), attack_with[name], "linf", eps, step, steps) <= 2**-24


@pytest.mark.packages
@pytest.mark.full
@pytest.mark.parametrize("name", ["torchattacks", "foolbox"])
@pytest.mark.parametrize(("eps", "step", "steps"), L2)
def test_l2_is_the_peers_to_rounding(model, attack_with, name, eps, step, steps):
    """Their gradients are those of the mean and of the sum of the losses: scaled to norm 1 an image, they are one direction."""
    assert furthest(model, images(255), attack_with[name], "l2", eps, step, steps) < 1e-5


if __name__ == "__main__":
    from tempfile import mkdtemp

    STORED.write_text(json.dumps(changes(load_peers(Path(mkdtemp()))["torchattacks"])) + "\n")
