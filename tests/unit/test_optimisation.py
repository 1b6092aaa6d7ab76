"""The optimisers of a training are torch's own, bit-identical, also when put down and taken up again. Schedules: test_training."""

import pytest
import torch
from torch import optim

from robustlens.models.optimisation import eager
from tiny import random_network


def weights(kind, **more) -> list[torch.Tensor]:
    """Of a network after eight steps, with half of them in an optimiser that was taken up again."""
    network = random_network(classes=3, width=4)
    optimiser = kind(network.parameters(), 0.01, weight_decay=0.05, **more)
    draw = torch.Generator().manual_seed(0)
    for step in range(8):
        if step == 4:
            state = optimiser.state_dict()
            optimiser = kind(network.parameters(), 0.5, **more)
            optimiser.load_state_dict(state)
        optimiser.param_groups[0]["lr"] = 0.01 / (step + 1)
        optimiser.zero_grad()
        network(torch.rand(5, 3, 16, 16, generator=draw)).log_softmax(1)[:, step % 3].mean().neg().backward()
        optimiser.step()
    return [parameter.detach() for parameter in network.parameters()]


@pytest.mark.parametrize(("kind", "more"), [(optim.AdamW, {}), (optim.SGD, {"momentum": 0.9})], ids=["AdamW", "SGD"])
def test_the_weights_are_those_of_torchs_optimiser(kind, more):
    before = [parameter.detach() for parameter in random_network(classes=3, width=4).parameters()]
    own, torchs = weights(eager(kind), **more), weights(kind, **more)
    assert all(torch.equal(a, b) for a, b in zip(own, torchs, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(own, before, strict=True) if a.ndim > 1)
