"""The kernels that the convolutions of a network convolve with, however they come about.

A parametrised, normalised or pruned convolution has no tensor ``weight`` among its own, and a weight-standardised one computes another
kernel from it: what counts is the kernel that reaches ``torch.nn.functional.conv2d``.
"""

from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from robustlens.models.outputs import evaluating


class _Kernels(TorchFunctionMode):
    """Within the context, ``found`` keeps the kernels of all calls of ``conv2d``."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Tensor] = []

    def __torch_function__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        named = kwargs or {}
        if function is F.conv2d:
            self.found.append(named["weight"] if "weight" in named else args[1])
        return function(*args, **named)


def convolutions(network: nn.Module) -> list[str]:
    """Names of the 2-D convolutions in module order."""
    return [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]


def effective_kernels(network: nn.Module) -> dict[str, Tensor]:
    """Convolution -> float [n_units, n_inputs, kernel_height, kernel_width] that it convolves with in evaluation mode, in module order.

    Each runs by itself on a black image. One that convolves with several kernels, or with one of another shape than its own, has none and
    is left out.
    """
    found = {}
    for name in convolutions(network):
        module = network.get_submodule(name)
        if (kernel := _kernel(module)) is not None:
            found[name] = kernel
    return found


def _kernel(module: Any) -> Tensor | None:
    place = next(iter(module.parameters()), torch.zeros(()))
    sides = [(side - 1) * step + 1 for side, step in zip(module.kernel_size, module.dilation, strict=True)]
    black = torch.zeros(1, module.in_channels, *sides, dtype=place.dtype, device=place.device)
    with evaluating(module), torch.no_grad(), _Kernels() as calls, suppress(Exception):  # what its forward asks for is its author's affair
        module(black)
    shape = (module.out_channels, module.in_channels // module.groups, *module.kernel_size)
    return calls.found[0].detach() if len(calls.found) == 1 and tuple(calls.found[0].shape) == shape else None


def describe_kernels(network: nn.Module) -> dict[str, list[str]]:
    """What a card says of the convolutions: ``convolutions``, those that have a kernel, in module order; ``computed``, those of them whose
    kernel is not the tensor ``<name>.weight`` of the state dict; ``unmeasured``, those without one kernel of their own."""
    kernels, state = effective_kernels(network), network.state_dict()
    computed = [name for name, kernel in kernels.items() if (own := state.get(f"{name}.weight")) is None or not torch.equal(own, kernel)]
    return {
        "convolutions": list(kernels),
        "computed": computed,
        "unmeasured": [name for name in convolutions(network) if name not in kernels],
    }
