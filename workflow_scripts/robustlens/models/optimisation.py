"""How the weights of a training move: the optimiser and the learning rate of a recipe, all of torch's own."""

from torch import nn, optim
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, StepLR


def make_optimiser(recipe: dict, network: nn.Module) -> optim.Optimizer:
    """AdamW, or SGD with momentum, over all parameters; weight decay of SGD is added to the gradient, that of AdamW is not."""
    if recipe["optimiser"] == "sgd":
        return optim.SGD(network.parameters(), recipe["learning_rate"], recipe["momentum"], weight_decay=recipe["weight_decay"])
    return optim.AdamW(network.parameters(), recipe["learning_rate"], weight_decay=recipe["weight_decay"])


def make_schedule(recipe: dict, optimiser: optim.Optimizer, n_steps: int) -> LRScheduler:
    """The learning rate, to be moved on after each of the ``n_steps`` of an epoch.

    ``one-cycle`` (Smith, arXiv 1708.07120): up to ``learning_rate`` in a quarter of all steps, from a tenth of it, and down to a hundredth.
    ``step``: ``learning_rate``, multiplied by ``gamma`` every ``step_epochs`` epochs.
    """
    if recipe["schedule"] == "step":
        return StepLR(optimiser, recipe["step_epochs"] * n_steps, recipe["gamma"])
    n_all = recipe["epochs"] * n_steps
    return OneCycleLR(optimiser, recipe["learning_rate"], n_all, pct_start=0.25, div_factor=10, final_div_factor=10)
