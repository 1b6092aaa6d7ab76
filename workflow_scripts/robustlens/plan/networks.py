"""What one image costs a network: operations forward and backward, shapes of the layers studied, all without computing anything.

Counted on torch's meta device, which has shapes and no numbers: 2 operations a multiply-add of convolutions and matrix products.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod


@dataclass(frozen=True)
class NetworkCost:
    """Of one image: ``forward``; ``to_pixels``, a backward pass to the image alone (an attack); ``to_weights``, one to the weights
    alone (training); ``ablation``, deciding the image again with each unit of the layers zeroed; all in GFLOP. ``layers``: name ->
    shape (n_units, height, width). ``n_classes``; ``weights``: bytes of the state dict."""

    forward: float
    to_pixels: float
    to_weights: float
    ablation: float
    layers: dict[str, tuple[int, ...]]
    n_classes: int
    weights: int

    @property
    def n_units(self) -> int:
        """Units of all layers."""
        return sum(shape[0] for shape in self.layers.values())

    @property
    def n_cells(self) -> int:
        """Cells of the maps of all layers."""
        total = 0
        for shape in self.layers.values():
            cells = 1
            for length in shape:
                cells *= length
            total += cells
        return total


def network_cost(model: str, spec: dict, side: int) -> NetworkCost:
    """The cost of a network of the config on images of ``side`` x ``side`` px. Raises whatever the factory of its package raises."""
    import torch

    from robustlens.models.layers import studied_layers
    from robustlens.models.registry import Classifier
    from robustlens.neurons.tails import COPIES, Tails

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of factories, about their random weights
        plain = _on_meta(model, spec).to("meta")
        layers = studied_layers(plain, spec, spec["layers"], side)
        network = Classifier(plain, [0.0] * 3, [1.0] * 3, layers, {"model": model}).to("meta").eval()
        image = torch.empty(1, 3, side, side, device="meta")
        network.requires_grad_(False)
        shapes = _shapes(network, image)
        forward = _count(lambda: network(image))
        pixels = image.clone().requires_grad_(True)
        to_pixels = _count(lambda: network(pixels).sum().backward()) - forward
        passed = Tails(network, network.layers)(image)  # what lies behind a layer is computed for several units at a time
        ablation = sum(-(-shapes[layer][0] // COPIES) * _count(partial(passed.zeroed, layer, [])) for layer in network.layers)
        network.requires_grad_(True)
        to_weights = _count(lambda: network(image).sum().backward()) - forward
    studied = {layer: shapes[layer] for layer in network.layers}
    weights = sum(tensor.numel() * tensor.element_size() for tensor in network.network.state_dict().values())
    return NetworkCost(forward, to_pixels, to_weights, ablation, studied, shapes[""][0], weights)


def map_cells(model: str, spec: dict, side: int) -> int:
    """Cells of the maps that the layers of a network of the config give for one image of ``side`` x ``side`` px."""
    import torch

    from robustlens.models.layers import studied_layers
    from robustlens.models.registry import Classifier

    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of factories, about their random weights
        plain = _on_meta(model, spec).to("meta")
        layers = studied_layers(plain, spec, spec["layers"], side)
        network = Classifier(plain, [0.0] * 3, [1.0] * 3, layers, {"model": model}).to("meta").eval()
        shapes = _shapes(network, torch.empty(1, 3, side, side, device="meta"))
    return sum(prod(shapes[layer]) for layer in layers)


def _on_meta(model: str, spec: dict):
    """The network without numbers; a factory that computes with its weights builds them first."""
    import torch

    from robustlens.models.registry import build_network

    place = (f"models.{model}", spec["architecture"], spec["arguments"], spec.get("python_path"))
    try:
        with torch.device("meta"):
            return build_network(*place)
    except (RuntimeError, NotImplementedError):
        return build_network(*place)


def _count(run: Callable) -> float:
    """GFLOP of what ``run`` computes."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / 1e9


def _shapes(network, image) -> dict[str, tuple[int, ...]]:
    """Shape, without the image's own dimension, of the maps of the layers and, under the empty name, of the logits."""
    from robustlens.inference import recorded

    with recorded(network, network.layers) as outputs:
        logits = network(image)
    return {name: tuple(found.shape[1:]) for name, found in {**outputs, "": logits}.items()}
