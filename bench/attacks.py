"""What PGD costs: milliseconds an image and step, here and by torchattacks and foolbox, in one run.

    python bench/attacks.py [--images 4] [--networks resnet18 ...] [--device cpu]

Networks of torchvision with random weights, pictures of 224 px; L2 with radius 3 in 7 steps of 0.5, as the paper has it, and Linf with
radius 8/255 in 10 steps of 2/255; without a random start and without the best iterate, which neither package has. The packages
(torchattacks 3.5.1, foolbox 3.3.4) run in the plain order of memory, as they want it; here a network lies as the workflow loads it,
channels last, and in the plain order. After one step all images of the plain order must be the same to rounding, or the bench stops;
further on rounding may tip a ReLU. On a CPU everything runs on one thread; each way runs five times, in turn. Prints Markdown.
"""

import argparse
import os
import sys
import tempfile
import types
import warnings
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # before NumPy is imported
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
sys.path.append(str(Path(__file__).resolve().parents[1] / "workflow_scripts"))

import numpy as np  # noqa: E402 (after the number of threads)
import torch  # noqa: E402
from timing import spread, state_goal, take_turns  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torchvision import models  # noqa: E402

from robustlens.devices import claim_device, describe_device  # noqa: E402
from robustlens.models.attacks import pgd  # noqa: E402
from robustlens.models.published import IMAGENET_MEAN, IMAGENET_STD  # noqa: E402
from robustlens.models.registry import Classifier  # noqa: E402
from robustlens.packages import fetch_package  # noqa: E402

PEERS = {
    "torchattacks==3.5.1": "10c1b05f3a0b52869a91dfa9f9d5adf613750276a15f41fdbd361127cc6bd703",
    "foolbox==3.3.4": "11049d515d38e765e206a73ace9cc648b81a0d6d1da9ad9057e149ee117989cb",
    "eagerpy==0.30.0": "79c461b04577f02bf3b48191b2f911b55521204df99ec02288d96bfa34f13d80",  # foolbox computes with it
}
ATTACKS: dict[str, dict[str, Any]] = {"l2": {"eps": 3.0, "step": 0.5, "steps": 7}, "linf": {"eps": 8 / 255, "step": 2 / 255, "steps": 10}}
CLOSE = 2**-20  # how far a pixel may lie from the peers' after one step


def load_peers(folder: Path) -> dict[str, Callable[..., Tensor]]:
    """``peer(model, images, labels, norm, eps, step, steps)``: the images that each package makes; it is fetched into ``folder``."""
    for requirement, sha256 in PEERS.items():
        fetch_package(requirement, sha256, folder)
    git = sys.modules.get("git")
    sys.path.insert(0, str(folder))
    sys.modules["git"] = types.ModuleType("git")  # for foolbox's collection of models, not used here
    vars(sys.modules["git"])["Repo"] = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # foolbox imports a name that SciPy has moved
            foolbox, torchattacks = import_module("foolbox"), import_module("torchattacks")
    finally:
        sys.path.remove(str(folder))
        del sys.modules["git"]
        if git:
            sys.modules["git"] = git

    def by_torchattacks(model, images, labels, norm, eps, step, steps):
        attack = {"linf": torchattacks.PGD, "l2": torchattacks.PGDL2}[norm]
        return attack(model, eps=eps, alpha=step, steps=steps, random_start=False)(images, labels)

    def by_foolbox(model, images, labels, norm, eps, step, steps):
        attack = {"linf": foolbox.attacks.LinfPGD, "l2": foolbox.attacks.L2PGD}[norm]
        attacked = foolbox.PyTorchModel(model, bounds=(0, 1), device=images.device)
        criterion = foolbox.criteria.Misclassification(labels)
        return attack(abs_stepsize=step, steps=steps, random_start=False).run(attacked, images, criterion, epsilon=eps)

    return {"torchattacks": by_torchattacks, "foolbox": by_foolbox}


def classifier(network: nn.Module, order: torch.memory_format, device: torch.device) -> Classifier:
    return Classifier(network, IMAGENET_MEAN, IMAGENET_STD, layers=[], card={}).eval().to(device).to(memory_format=order)


def compare(peers: dict, name: str, norm: str, n_images: int, device: torch.device) -> dict[str, np.ndarray]:
    """Milliseconds an image and step of each way and turn; exits where the images differ."""
    torch.manual_seed(0)
    images, labels = torch.rand(n_images, 3, 224, 224, device=device), torch.arange(n_images, device=device)
    state, chosen = models.get_model(name, weights=None).state_dict(), ATTACKS[norm]

    def built(order: torch.memory_format) -> Classifier:
        network = models.get_model(name, weights=None)
        network.load_state_dict(state)
        return classifier(network, order, device)

    plain, turned = built(torch.contiguous_format), built(torch.channels_last)

    def ways(**changes: int) -> dict[str, Callable[[], Tensor]]:
        asked: dict[str, Any] = {"norm": norm, **chosen, **changes}
        others = {name: partial(attack, plain, images, labels, **asked) for name, attack in peers.items()}
        last = images.to(memory_format=torch.channels_last)
        return {
            "here": partial(pgd, turned, last, labels, **asked),
            "here, plain order": partial(pgd, plain, images, labels, **asked),
            **others,
        }

    first = {way: run() for way, run in ways(steps=1).items()}  # warms up, too
    for peer in peers:
        if (first[peer] - first["here, plain order"]).abs().max() > CLOSE:
            sys.exit(f"{name}, {norm}: {peer} makes other images")

    def timed(run: Callable[[], Tensor]) -> None:
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()

    seconds = take_turns({way: partial(timed, run) for way, run in ways().items()})
    return {way: 1000 * found / n_images / chosen["steps"] for way, found in seconds.items()}


def main(n_images: int, names: list[str], device_name: str) -> None:
    torch.set_num_threads(1)
    device, ratios = claim_device(device_name), []
    with tempfile.TemporaryDirectory() as folder:
        peers = load_peers(Path(folder))
        print(f"{describe_device(device)}; batches of {n_images} pictures of 224 px\n")
        print("| network | norm | way | ms an image and step | time / here |\n|---|---|---|---|---|")
        for name in names:
            for norm in ATTACKS:
                found = compare(peers, name, norm, n_images, device)
                for way, each in found.items():
                    print(f"| {name} | {norm} | {way} | {spread(each)} | {spread(each / found['here'])} |", flush=True)
                ratios.append(np.minimum(found["torchattacks"], found["foolbox"]) / found["here"])
    state_goal("the faster of torchattacks and foolbox / here, all networks and norms", np.concatenate(ratios), at_least=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What PGD costs, beside torchattacks and foolbox.")
    parser.add_argument("--images", type=int, default=4, help="pictures a batch (4)")
    parser.add_argument("--networks", nargs="+", default=["resnet18"], help="of torchvision (resnet18)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:<number> (cpu)")
    arguments = parser.parse_args()
    main(arguments.images, arguments.networks, arguments.device)
