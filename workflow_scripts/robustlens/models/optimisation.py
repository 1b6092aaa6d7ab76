"""How the weights of a training move: the optimiser and the learning rate of a recipe, all of torch's own."""

import inspect
from typing import TypeVar

import torch
from torch import nn, optim
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, StepLR

Kind = TypeVar("Kind", bound=optim.Optimizer)


def eager(kind: type[Kind]) -> type[Kind]:
    """An optimiser of torch's without what it asks of ``torch.compile``, whose import takes 1.5 to 3 s; the numbers are the same.

    torch wraps these methods so that its compiler leaves them alone; here they are as they are inside.
    """
    names = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
    inside = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    return type(kind.__name__, (kind,), {**inside, "step": torch.no_grad()(inspect.unwrap(kind.step))})


def make_optimiser(recipe: dict, network: nn.Module) -> optim.Optimizer:
    """AdamW, or SGD with momentum, over all parameters; weight decay of SGD is added to the gradient, that of AdamW is not."""
    if recipe["optimiser"] == "sgd":
        return eager(optim.SGD)(network.parameters(), recipe["learning_rate"], recipe["momentum"], weight_decay=recipe["weight_decay"])
    return eager(optim.AdamW)(network.parameters(), recipe["learning_rate"], weight_decay=recipe["weight_decay"])


def make_schedule(recipe: dict, optimiser: optim.Optimizer, n_steps: int) -> LRScheduler:
    """The learning rate, to be moved on after each of the ``n_steps`` of an epoch.

    ``one-cycle`` (Smith, arXiv 1708.07120): up to ``learning_rate`` in a quarter of all steps, from a tenth of it, and down to a hundredth.
    ``step``: ``learning_rate``, multiplied by ``gamma`` every ``step_epochs`` epochs.
    """
    if recipe["schedule"] == "step":
        return StepLR(optimiser, recipe["step_epochs"] * n_steps, recipe["gamma"])
    n_all = recipe["epochs"] * n_steps
    return OneCycleLR(optimiser, recipe["learning_rate"], n_all, pct_start=0.25, div_factor=10, final_div_factor=10)
