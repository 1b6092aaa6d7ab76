"""Ablation of every unit: the tail on copies against the whole network run anew, as rows of a table.

    python bench/ablation.py [alexnet googlenet resnet resnet50 ...]

``alexnet``, ``googlenet`` and ``resnet`` are the miniatures (50 images of 48 px), the other names torchvision's (4 images of 64 px); random
weights, default layers, one thread. Seconds a block of images: ``tails`` for all units of all layers as the study does it, ``copies`` the
whole network on the same copies (measured on the first two passes of each layer), ``naive`` one unit a pass (on the first six units);
``flips`` counts decisions that differ between tails and naive, of those compared.
"""

import os
import sys
import time
from pathlib import Path

if __name__ == "__main__":  # before NumPy is imported
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
sys.path.append(str(Path(__file__).resolve().parents[1] / "workflow_scripts"))

import torch  # noqa: E402 (after the number of threads)
import torchvision  # noqa: E402

from robustlens.models import miniature  # noqa: E402
from robustlens.models.layers import default_layers  # noqa: E402
from robustlens.models.registry import Classifier  # noqa: E402
from robustlens.neurons.ablation import changed_decisions  # noqa: E402
from robustlens.neurons.tails import COPIES, Tails, zeroed_logits  # noqa: E402

MINIATURES = ("alexnet", "googlenet", "resnet")
COLUMNS = ("network", "units", "trace s", "tails s", "copies s", "naive s", "copies/tails", "naive/tails", "flips")
NAIVE_UNITS, COPIED_PASSES = 6, 2


def main(names: list[str]) -> None:
    torch.set_num_threads(1)
    print(f"| {' | '.join(COLUMNS)} |\n|---{'|--:' * (len(COLUMNS) - 1)}|")
    for name in names or [*MINIATURES, "resnet50"]:
        torch.manual_seed(0)
        network = getattr(miniature, name)(classes=8) if name in MINIATURES else torchvision.models.get_model(name, weights=None)
        images = torch.rand(50, 3, 48, 48) if name in MINIATURES else torch.rand(4, 3, 64, 64)
        network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        layers = default_layers(network, f"miniature:{name}", images.shape[-1])
        with torch.inference_mode():
            print(row(name, Classifier(network, [0.5] * 3, [0.25] * 3, layers).eval(), images), flush=True)


def row(name: str, model: Classifier, images: torch.Tensor) -> str:
    """The row of one network."""
    tails = Tails(model, model.layers)
    traced, passed = timed(lambda: tails(images))
    whole = copies = naive = units = flips = compared = 0
    for layer in model.layers:
        n_units = passed.layouts[layer].n_units
        seconds, changed = timed(lambda layer=layer: changed_decisions(passed, layer))
        whole, units = whole + seconds, units + n_units
        passes = [[[unit] for unit in range(first, first + COPIES)] for first in range(0, COPIED_PASSES * COPIES, COPIES)]
        seconds = timed(lambda layer=layer, passes=passes: [zeroed_logits(model, images, {layer: zeros}) for zeros in passes])[0]
        copies += seconds / COPIED_PASSES * -(-n_units // COPIES)
        seconds, found = timed(lambda layer=layer: [one_unit(model, passed, layer, unit) for unit in range(NAIVE_UNITS)])
        naive += seconds / NAIVE_UNITS * n_units
        flips += sum((changed[unit] != found[unit]).sum() for unit in range(NAIVE_UNITS))
        compared += NAIVE_UNITS * len(images)
    numbers = f"{traced:.2f} | {whole:.2f} | {copies:.2f} | {naive:.2f} | {copies / whole:.1f} | {naive / whole:.1f}"
    return f"| {name} | {units} | {numbers} | {flips} of {compared} |"


def one_unit(model: Classifier, passed, layer: str, unit: int):
    """bool [n_images]: whether a unit changes the decision, by the whole network on the images alone."""

    def zero(_, __, output):
        return output.index_fill(passed.layouts[layer].axis, torch.tensor([unit]), 0)

    handle = model.layer(layer).register_forward_hook(zero)
    decided = model(passed.images).argmax(1)
    handle.remove()
    return (decided != passed.logits.argmax(1)).numpy()


def timed(compute):
    start = time.perf_counter()
    result = compute()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main(sys.argv[1:])
