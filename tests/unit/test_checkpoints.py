"""Checkpoints of the study's kinds come under the names of torchvision's networks, and a normaliser that disagrees is refused."""

import pytest
import torch
import torchvision

from robustlens.errors import InputError
from robustlens.models.checkpoints import fit_to_network

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@pytest.fixture(scope="module")
def alexnet():
    """The state of an AlexNet."""
    return torchvision.models.alexnet(weights=None).state_dict()


def robustness(state: dict, mean=MEAN, rename=str) -> dict:
    """As the robustness package saves it: everything twice, under a parallel wrapper, with the normalisation beside it."""
    saved = {"module.normalizer.new_mean": torch.tensor(mean).view(3, 1, 1), "module.normalizer.new_std": torch.tensor(STD).view(3, 1, 1)}
    saved |= {"module.attacker.normalize.new_mean": torch.tensor(mean).view(3, 1, 1)}
    for name, tensor in state.items():
        saved[f"module.model.{rename(name)}"] = saved[f"module.attacker.model.{rename(name)}"] = tensor
    return saved


def same(found: dict, state: dict) -> bool:
    return set(found) == set(state) and all(torch.equal(found[name], state[name]) for name in state)


def test_plain_parallel_and_robustness(alexnet):
    names = set(alexnet)
    assert same(fit_to_network("a.pt", alexnet, names, MEAN, STD), alexnet)
    assert same(fit_to_network("a.pt", {f"module.{name}": tensor for name, tensor in alexnet.items()}, names, MEAN, STD), alexnet)
    last = robustness(alexnet, rename=lambda name: name.replace("classifier.6.", "last_layer."))
    assert same(fit_to_network("a.pt", last, names, MEAN, STD), alexnet)


def test_another_normalisation_is_refused(alexnet):
    with pytest.raises(InputError, match=r"a.pt: expected the mean .* of the config, got 0.500, 0.500, 0.500 in the checkpoint"):
        fit_to_network("a.pt", robustness(alexnet, mean=[0.5, 0.5, 0.5]), set(alexnet), MEAN, STD)


def test_googlenet_with_heads_and_with_the_studys_name():
    state = torchvision.models.googlenet(weights=None, aux_logits=True, init_weights=False).state_dict()
    plain = {name: tensor for name, tensor in state.items() if not name.startswith("aux")}
    assert same(fit_to_network("g.pth", state, set(plain), MEAN, STD), plain)
    assert same(fit_to_network("g.pth", state, set(state), MEAN, STD), state)
    renamed = {name.replace("branch4.1.", "branch4_conv."): tensor for name, tensor in plain.items()}
    assert set(renamed) != set(plain) and same(fit_to_network("g.pt", renamed, set(plain), MEAN, STD), plain)


def test_what_is_unknown_is_left_for_the_network_to_refuse(alexnet):
    assert "other.weight" in fit_to_network("a.pt", alexnet | {"other.weight": torch.zeros(1)}, set(alexnet), MEAN, STD)
