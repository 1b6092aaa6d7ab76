"""Which layers of a network are studied where the config names none: the paper's, or every block output.

A layer counts if all that the network decides from passes through it once: only then are its units all there is at that depth, and only
then can they be zeroed. Such places are found in the graph of one forward pass, as the nodes that every path from the logits back to the
image crosses. Of a residual, inception, dense, fire or transformer block they are its output and nothing inside, so a *block* is the
smallest module with such an output around weights that information can pass by, and with it every other module of its class (a block of
the same kind without the way round). Where weights are passed by nothing (the layers of VGG, the stem of a ResNet), the layer is the
largest module with a single convolution or linear layer inside, followed as far as the normalisation and the activation function behind
it. Layers without maps, and those with no weights behind them (the logits), are left out.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from robustlens.errors import InputError
from robustlens.models.outputs import Layout, evaluating, layout_of, logits_of

PAPER = {  # arXiv 2006.09373: after the activation function
    "alexnet": [f"features.{number}" for number in (1, 4, 7, 9, 11)],
    "googlenet": ["conv1", "conv2", "conv3", *(f"inception{name}" for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"))],
    "resnet50": ["relu", "layer1", "layer2", "layer3", "layer4"],
}


@dataclass
class Trace:
    """One forward pass of one image. By module name: ``runs``; of the last run ``layouts`` and ``nodes`` of the autograd graph (None where
    the output is no tensor); ``sizes`` of input and output; ``order``, the names as they ended. ``trunk``: nodes that no path avoids."""

    runs: Counter = field(default_factory=Counter)
    layouts: dict[str, Layout | None] = field(default_factory=dict)
    nodes: dict[str, object] = field(default_factory=dict)
    kept_size: dict[str, bool] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    trunk: set = field(default_factory=set)

    def carries_all(self, name: str) -> bool:
        """Whether the module runs once and nothing passes its output by."""
        return self.runs[name] == 1 and self.nodes[name] in self.trunk


def studied_layers(network: nn.Module, card: dict, layers: list[str] | None, input_size: int) -> list[str]:
    """``layers``, or those of :func:`default_layers` where None; ``card``: of the network."""
    return default_layers(network, card["architecture"], input_size) if layers is None else list(layers)


def default_layers(network: nn.Module, architecture: str, input_size: int) -> list[str]:
    """Names of the layers of ``network`` that are studied by default, in the order of the forward pass.

    ``architecture``: as in the config, for the three of the paper; ``input_size``: side of the images, px. Raises InputError where
    none is found.
    """
    name = architecture.removeprefix("torchvision.models:")
    if name in PAPER:
        return PAPER[name]
    found = find_layers(network, input_size)
    if not found:
        raise InputError(f"the default layers of {architecture}", "a layer through which everything passes", "none", "name its layers")
    return found


def find_layers(network: nn.Module, input_size: int) -> list[str]:
    """Names of the blocks and of the layers outside blocks (see the head of this module), in the order of the forward pass."""
    trace, modules = trace_pass(network, input_size), dict(network.named_modules())
    weighted = [name for name, module in modules.items() if name and _has_weights(module) and not _computes_weights(name)]
    blocks = _blocks(trace, modules, weighted)
    inside = {name for name in weighted for block in blocks if _within(name, block)}
    around = {name for name in weighted for other in weighted if name != other and _within(other, name)}
    free = [name for name in weighted if trace.carries_all(name) and name not in inside | around]
    outside = {_activated(_widest(name, trace, weighted), trace, modules, blocks) for name in free}
    found = {*blocks, *(name for name in outside if repeatable(network, name, input_size))}
    last = max((trace.order.index(name) for name in weighted if trace.runs[name]), default=0)
    ends = {name: trace.order.index(name) for name in found}
    kept = [name for name in found if ends[name] < last and (layout := trace.layouts[name]) and layout.height * layout.width > 1]
    return sorted(kept, key=ends.__getitem__)


def trace_pass(network: nn.Module, input_size: int) -> Trace:
    """What every module gives for one black image of ``input_size`` x ``input_size`` px, in evaluation mode."""
    trace = Trace()

    def keep(name: str, module: nn.Module, given: tuple, output: object) -> None:
        trace.runs[name] += 1
        trace.layouts[name] = layout_of(output, module)
        trace.nodes[name] = output.grad_fn if isinstance(output, Tensor) else None
        trace.kept_size[name] = bool(given) and isinstance(output, Tensor) and getattr(given[0], "shape", None) == output.shape
        trace.order.append(name)

    handles = [
        module.register_forward_hook(lambda module, given, output, name=name: keep(name, module, given, output))
        for name, module in network.named_modules()
        if not _computes_weights(name)
    ]
    try:
        with evaluating(network), torch.inference_mode(False), torch.enable_grad():
            image = _black(network, input_size).requires_grad_(True)
            logits = logits_of(network(image.clone()))  # which the network may change in place
    finally:
        for handle in handles:
            handle.remove()
    if logits.grad_fn is None:
        what, advice = "logits whose way from the image autograd can follow", "take no_grad and detach out of its forward pass"
        raise InputError(f"layers of {type(network).__name__}", what, "a forward pass without gradients", advice)
    trace.trunk = _trunk(logits.grad_fn, image)
    return trace


def repeatable(network: nn.Module, layer: str, input_size: int) -> bool:
    """Whether the network goes on with more images than it was given when the output of ``layer`` is repeated (as ablation does)."""
    hook = network.get_submodule(layer).register_forward_hook(lambda _, __, output: output.repeat(2, *[1] * (output.dim() - 1)))
    try:
        with evaluating(network), torch.no_grad():
            return len(logits_of(network(_black(network, input_size)))) == 2
    except RuntimeError:
        return False
    finally:
        hook.remove()


def _black(network: nn.Module, input_size: int) -> Tensor:
    device = next((tensor.device for tensor in network.parameters()), torch.get_default_device())
    return torch.zeros(1, 3, input_size, input_size, device=device)


def _trunk(end: Any, image: Tensor) -> set:
    """The nodes of an autograd graph that every path from ``end`` back to ``image`` crosses."""
    edges: dict[Any, list] = {}
    ordered, waiting = [], [(end, False)]
    while waiting:  # depth first: a node is put down after all that it leads to
        node, done = waiting.pop()
        if done:
            edges[node] = [after for after in edges[node] if edges[after] or getattr(after, "variable", None) is image]
            ordered.append(node)
        elif node not in edges:
            edges[node] = [after for after, _ in node.next_functions if after is not None]
            waiting.append((node, True))
            waiting += [(after, False) for after in edges[node]]
    arrived: Counter = Counter()
    open_edges, trunk = 0, set()
    for node in reversed(ordered):
        if not edges[node]:
            continue  # a parameter, or the image itself
        open_edges -= arrived[node]
        if open_edges == 0:
            trunk.add(node)
        arrived.update(edges[node])
        open_edges += len(edges[node])
    return trunk


def _has_weights(module: nn.Module) -> bool:
    """Whether it has a matrix or kernels of its own: scales and shifts of a normalisation are no weights here."""
    own = [*module._parameters.values(), *(p for part in getattr(module, "parametrizations", {}).values() for p in part.parameters())]
    return any(parameter is not None and parameter.dim() > 1 for parameter in own)


def _computes_weights(name: str) -> bool:
    """Whether a module computes a parameter of another one (torch's parametrisations), and no maps."""
    return "parametrizations" in name.split(".")


def _blocks(trace: Trace, modules: dict[str, nn.Module], weighted: list[str]) -> set[str]:
    found, kinds = set(), set()
    for name in weighted:
        if trace.runs[name] and not trace.carries_all(name):
            while name and not trace.carries_all(name):
                name = name.rpartition(".")[0]
            found.add(name)
            kinds.add(type(modules[name]))
    found -= {""}
    alike = {kind for kind in kinds if not kind.__module__.startswith("torch.nn.")}
    found |= {name for name, module in modules.items() if name and type(module) in alike and trace.carries_all(name)}
    return {name for name in found if not any(name != other and _within(name, other) for other in found)}


def _within(name: str, module: str) -> bool:
    return f"{name}.".startswith(f"{module}.")


def _widest(name: str, trace: Trace, weighted: list[str]) -> str:
    """The largest module around weights of which nothing else of it has any."""
    while (above := name.rpartition(".")[0]) and trace.carries_all(above) and sum(_within(other, above) for other in weighted) == 1:
        name = above
    return name


def _activated(name: str, trace: Trace, modules: dict[str, nn.Module], blocks: set[str]) -> str:
    """The last module of the normalisation and activation function that follow at once, of the same shape and without weights."""
    for after in trace.order[trace.order.index(name) + 1 :]:
        module = modules[after]
        leaf = not any(True for _ in module.children()) and not isinstance(module, nn.modules.dropout._DropoutNd)
        if not (leaf and trace.kept_size[after] and trace.carries_all(after) and not _has_weights(module)):
            return name
        if trace.layouts[after] != trace.layouts[name] or any(_within(after, block) for block in blocks):
            return name
        name = after
    return name
