"""A tree of tiny files in the real layouts of everything that studies/imagenet.yaml reads, and the config that names them.

The networks have random weights, but one class has a bias that no image outweighs: the first of the two classes that there are pictures
of. So every network is right on exactly the half of any set, if the labels of its layout are read as they should be.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torchvision
from PIL import Image
from torch import nn

from robustlens.broden import LabelledImage, write_broden
from robustlens.imagenet import classes
from robustlens.shorthand import COMMON
from robustlens.stimuli.adain import build_decoder, build_encoder
from robustlens.stimuli.embedded import render_scene

KINDS, SEVERITIES = COMMON, range(1, 6)
PER_CLASS = 2  # images of each class
BIAS = 300.0  # of the class that is always decided
NETWORKS = [f"{name}-{role}" for name in ("alexnet", "googlenet", "resnet50") for role in "sr"] + ["resnet50-sin", "resnet50-sin-in"]
STEMS = [f"ILSVRC2012_val_{number:08d}" for number in range(1, 2 * PER_CLASS + 1)]
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def two_classes() -> pd.DataFrame:
    """Two classes that ImageNet-A and -R hold and that are of two of the 16."""
    table = classes()
    both = table[(table["imagenet_a"] == 1) & (table["imagenet_r"] == 1) & (table["sixteen"].fillna("") != "")]
    return both.drop_duplicates("sixteen").head(2)


def picture(number: int, height: int = 224, width: int = 224) -> Image.Image:
    """A synthetic scene, enlarged so that its edges stay sharp: an object on a ground."""
    scene = render_scene(f"picture-{number}", number % 8, number % 8, 0)
    return Image.fromarray(scene.pixels).resize((width, height), Image.Resampling.NEAREST)


def save(path: Path, number: int, *size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(number, *size).save(path)


def write_images(root: Path, kinds: Iterable[str] = KINDS, severities: Iterable[int] = SEVERITIES) -> None:
    """ImageNet and its relatives, with these corruptions of ImageNet-C, and the stimuli of Geirhos et al."""
    wnids = list(two_classes()["wnid"])
    for number, stem in enumerate(STEMS):
        wnid = wnids[number // PER_CLASS]
        save(root / "val" / wnid / f"{stem}.JPEG", number, 240, 300)
        for kind in kinds:
            for severity in severities:
                save(root / "imagenet-c" / kind.replace("-", "_") / str(severity) / wnid / f"{stem}.JPEG", number)
    for rank, (index, wnid) in enumerate(zip(two_classes()["index"], wnids, strict=True)):
        for number in range(PER_CLASS):
            save(root / "imagenet-a" / wnid / f"0.{number}_{wnid} _ other_0.9.jpg", 10 + number, 230, 260)
            save(root / "imagenet-r" / wnid / f"art_{number}.jpg", 20 + number, 260, 230)
            save(root / "imagenet-sketch" / wnid / f"sketch_{number}.JPEG", 30 + number, 250, 250)
            save(root / "imagenetv2" / str(index) / f"{rank}{number}.jpeg", 40 + number, 300, 240)
            save(root / "paintings" / f"{rank}{number}.jpg", 50 + 2 * rank + number, 200, 280)
    shapes, (first, second) = root / "texture-vs-shape/stimuli", two_classes()["sixteen"]
    pairs = [(f"{first}1", f"{second}2"), (f"{first}2", "oven1"), (f"{second}1", f"{first}1"), (f"{second}3", f"{second}1")]
    for number, (shape, texture) in enumerate(pairs):  # the last one has no conflict
        save(shapes / "style-transfer-preprocessed-512" / shape[:-1] / f"{shape}-{texture}.png", 60 + number)
    for folder in ("edges", "filled-silhouettes"):
        for name in (first, second):
            save(shapes / folder / name / f"{name}1.png", 70)


def write_broden_224(folder: Path, n_images: int = 4) -> None:
    """Pictures of 224 px with label maps of half their side, as in broden1_224."""
    images = []
    for number in range(n_images):
        scene = render_scene(f"concept-{number}", number % 8, number % 8, 0)
        maps = {"object": (scene.mask > 127).astype(int), "color": 1 + (scene.pixels.mean(axis=2) > 128).astype(int)}
        images.append(LabelledImage(f"ade_{number}.png", scene.pixels, maps, {"texture": ["dotted"], "scene": ["street-s"]}))
    names = {"color": ["black-c", "grey-c"], "object": ["dog"], "part": ["leg"], "material": ["wood"]}
    write_broden(folder, names | {"scene": ["street-s"], "texture": ["dotted"]}, images)
    index = pd.read_csv(folder / "index.csv", dtype=str, keep_default_na=False)
    for path in (folder / "images").iterdir():
        side = 224 if path.name in set(index["image"]) else 112
        with Image.open(path) as stored:
            resized = stored.resize((side, side), Image.Resampling.NEAREST)
        resized.save(path)
    index.assign(ih=224, iw=224, sh=112, sw=112).to_csv(folder / "index.csv", index=False)


def as_robustness(state: dict, rename=str) -> dict:
    """A checkpoint of the robustness package: everything twice, with the normalisation beside it."""
    saved = {"module.normalizer.new_mean": MEAN, "module.normalizer.new_std": STD, "module.attacker.normalize.new_mean": MEAN}
    for name, tensor in state.items():
        saved[f"module.model.{rename(name)}"] = saved[f"module.attacker.model.{rename(name)}"] = tensor
    return {"model": saved, "epoch": 90}


def biased(network: nn.Module, bias: float = BIAS) -> nn.Module:
    """The network, with a last bias that makes it decide for the first of the two classes whatever it is shown."""
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        last.bias[int(two_classes()["index"].iloc[0])] = bias
    return network


def write_weights(root: Path, names: Iterable[str] = NETWORKS, resnet: Callable[..., nn.Module] = torchvision.models.resnet50) -> None:
    """Networks of random weights in the formats of the study's checkpoints, its segmenter and AdaIN; ``resnet``: in place of ResNet-50."""
    models = torchvision.models
    root.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)

    def state(build, **arguments) -> dict:
        return biased(build(weights=None, **arguments)).state_dict()

    last, branch = {"classifier.6.": "last_layer."}, {"branch4.1.": "branch4_conv."}
    googlenet = partial(state, models.googlenet, init_weights=False)
    checkpoints = {
        "alexnet-s.pth": lambda: state(models.alexnet),
        "alexnet-r.pt": lambda: as_robustness(state(models.alexnet), renaming(last)),
        "googlenet-s.pth": lambda: googlenet(aux_logits=True),
        "googlenet-r.pt": lambda: as_robustness(googlenet(aux_logits=False), renaming(branch)),
        "resnet50-s.pth": lambda: state(resnet),
        "resnet50-r.pt": lambda: as_robustness(state(resnet)),
    }
    for name in ("resnet50-sin", "resnet50-sin-in"):
        checkpoints[f"{name}.pth.tar"] = lambda: {"state_dict": {f"module.{key}": tensor for key, tensor in state(resnet).items()}}
    for file, make in checkpoints.items():
        if file.partition(".")[0] in names:
            torch.save(make(), root / file)
    torch.manual_seed(5)
    segmenter = models.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None)
    with torch.no_grad():
        for head in (segmenter.classifier.low_classifier, segmenter.classifier.high_classifier):
            head.weight.zero_(), head.bias.zero_()
        weights = torch.randn(segmenter.classifier.low_classifier.in_channels)
        segmenter.classifier.low_classifier.weight[1, :, 0, 0] = weights - weights.mean()  # an object is where their sum is above nought
    torch.save(segmenter.state_dict(), root / "segmenter.pth")
    write_adain(root)


def renaming(names: dict[str, str]):
    def rename(name: str) -> str:
        for own, saved in names.items():
            name = name.replace(own, saved)
        return name

    return rename


def write_adain(root: Path) -> None:
    """An encoder and a decoder of random weights in the layout of the published ones."""
    torch.save(build_encoder().state_dict(), root / "adain-encoder.pth")
    torch.save(build_decoder().state_dict(), root / "adain-decoder.pth")


def write_tree(
    root: Path,
    *,
    kinds: Iterable[str] = KINDS,
    severities: Iterable[int] = SEVERITIES,
    names: Iterable[str] = NETWORKS,
    resnet: Callable[..., nn.Module] = torchvision.models.resnet50,
) -> dict:
    """All of it, with these corruptions and networks, below ``root``; the config that a user would give beside studies/imagenet.yaml."""
    write_images(root, kinds, severities)
    write_broden_224(root / "broden")
    write_weights(root / "weights", names, resnet)
    shapes = root / "texture-vs-shape/stimuli"
    paths = {
        name: root / name for name in ("imagenet-c", "imagenet-a", "imagenet-r", "imagenet-sketch", "imagenetv2", "broden", "paintings")
    }
    paths |= {"imagenet": root / "val", "cue-conflict": shapes / "style-transfer-preprocessed-512"}
    paths |= {name: shapes / name for name in ("edges", "filled-silhouettes")}
    lists = root / "both-correct-lists"
    lists.mkdir()
    for pair in ("alexnet", "googlenet", "resnet50"):
        np.save(lists / f"intersection_{pair}_{pair}-r.npy", np.array([f"{stem}.JPEG" for stem in STEMS[1:]]))
    paths["both-correct-lists"] = lists
    paths |= {path.name.partition(".")[0]: path for path in sorted((root / "weights").iterdir())}
    n_images = dict.fromkeys(["clean", "imagenet-a", "imagenet-r", "imagenet-sketch", "imagenetv2"], 2 * PER_CLASS)
    n_images |= {"cue-conflict": 3, "edges": 2, "filled-silhouettes": 2}
    return {
        "paths": {name: {"path": str(path)} for name, path in paths.items()},
        "sources": {name: {"n_images": count} for name, count in n_images.items()},
        "corruptions": {"imagenet-c": {"n_images": 2 * PER_CLASS}},
        "concepts": {"broden": {"n_images": 4}},
        "models": {name: {"top1": 0.5} for name in names},
    }
