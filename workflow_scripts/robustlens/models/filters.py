"""The filters of a network's convolutions: read from its weights without torch, unless it computes them."""

import json
from pathlib import Path

import numpy as np
from safetensors import safe_open

from robustlens.errors import refusing


def read_filters(weights: str, card: str, first: bool = False) -> dict[str, np.ndarray]:
    """Layer -> [n_units, n_inputs, kernel_height, kernel_width] of a safetensors file, in forward order; the ``first`` alone if asked.

    The kernels that the network convolves with: those that its ``card`` calls ``computed`` (parametrised, weight-normed, pruned,
    weight-standardised ...) are taken from the network itself, built with these weights. The order of the convolutions comes from the key
    ``convolutions``: a safetensors file keeps none. Empty for a network without convolutions. Raises InputError for a file that does not
    fit the card.
    """
    with refusing(card, "the card of a network (JSON) with its convolutions"):
        described = json.loads(Path(card).read_text())
        names = described["convolutions"][: 1 if first else None]
    if set(names) & set(described.get("computed", [])):
        from robustlens.models.convolutions import effective_kernels  # torch, which takes a second to import
        from robustlens.models.registry import load_network

        kernels = effective_kernels(load_network(weights, card)[0])
        return {name: kernels[name].float().numpy() for name in names}
    expected = "a safetensors file with the weights of the card's convolutions"
    with refusing(weights, expected), safe_open(weights, framework="numpy") as state:
        return {name: state.get_tensor(f"{name}.weight") for name in names}
