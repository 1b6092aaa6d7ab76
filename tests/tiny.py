"""Small things for tests of what runs networks: pictures, image shards, networks with weights worked out by hand, model files.

Nothing here takes more than a few milliseconds. Made-up results of a whole study are in ``synthetic``.
"""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from robustlens.images import Shard, read_shard, write_parquet, write_shard
from robustlens.models import miniature
from robustlens.models.registry import Classifier, save_model
from robustlens.report.units import UNITS

torch.set_num_threads(1)  # a test has one core
HALF = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
RECIPE_DEFAULTS = {"optimiser": "adamw", "schedule": "one-cycle", "precision": "float32", "augmentation": []}


class Channels(nn.Module):
    """A network to reckon with: unit k of ``maps`` is channel k, logit k its mean times ``scale``."""

    def __init__(self, scale: float = 1.0, classes: int = 3):
        super().__init__()
        self.maps = nn.Conv2d(3, classes, 1, bias=False)
        self.scale = scale
        with torch.no_grad():
            self.maps.weight.copy_(torch.eye(classes, 3)[:, :, None, None])

    def forward(self, images: Tensor) -> Tensor:
        return self.scale * self.maps(images).mean((2, 3))


def pictures(n: int, side: int = 16, seed: int = 0) -> np.ndarray:
    """uint8 [n, side, side, 3] of noise; the first and last are black and white, where clipping bites."""
    found = np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), dtype=np.uint8)
    found[0], found[-1] = 0, 255
    return found


def coloured(colours: list[tuple[int, int, int]], side: int = 4) -> np.ndarray:
    """uint8 [n, side, side, 3]: pictures of one colour each."""
    return np.broadcast_to(np.array(colours, np.uint8)[:, None, None, :], (len(colours), side, side, 3)).copy()


def image_rows(n: int, labels=0, shape=None, texture=None, prefix: str = "image") -> pd.DataFrame:
    """Manifest rows of ``n`` images; the cues are the label unless they are given."""
    ids = [f"{prefix}-{number}" for number in range(n)]
    rows = pd.DataFrame({"image_id": ids, "label": labels, "path": ""})
    return rows.assign(shape=rows["label"] if shape is None else shape, texture=rows["label"] if texture is None else texture)


def make_shard(path: Path, pixels: np.ndarray, rows: pd.DataFrame | None = None, classes: list[str] | None = None, **cues) -> Shard:
    """An image shard, written and read again."""
    rows = image_rows(len(pixels), **cues) if rows is None else rows
    path.parent.mkdir(parents=True, exist_ok=True)
    write_shard(path, rows.reset_index(drop=True), pixels=iter(pixels), origin={"made": "for a test"}, classes=classes)
    return read_shard(path)


def cut_shards(folder: Path, pixels: np.ndarray, rows: pd.DataFrame, size: int, classes: list[str] | None = None) -> list[Shard]:
    """The same images in shards of ``size``."""
    starts = range(0, len(rows), size)
    return [make_shard(folder / f"shard-{n}.parquet", pixels[s : s + size], rows[s : s + size], classes) for n, s in enumerate(starts)]


def random_network(architecture: str = "alexnet", seed: int = 0, **arguments) -> nn.Module:
    """A miniature network with random weights and batch statistics, whose decisions differ from picture to picture."""
    torch.manual_seed(seed)
    network = getattr(miniature, architecture)(**arguments)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.01, 0.1)
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        logits = network.eval()(4 * (torch.rand(64, 3, 16, 16) - 0.5))
        last.weight *= 2 / logits.std(0)[:, None]
        last.bias.copy_((last.bias - logits.mean(0)) * 2 / logits.std(0))
    return network


@contextmanager
def equal_weights():
    """Weights of networks that are built within are all alike, where which they are does not matter: random ones take seconds."""
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        for name in ("kaiming_normal_", "kaiming_uniform_", "normal_", "trunc_normal_", "uniform_", "xavier_uniform_"):
            patch.setattr(nn.init, name, lambda tensor, *_, **__: tensor.fill_(0.01))
        yield


def classifier(network: nn.Module, layers=(), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)) -> Classifier:
    """``network`` as a classifier in evaluation mode, called ``net``."""
    found = Classifier(network, list(mean), list(std), list(layers), {"model": "net"})
    return found.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def little_memory(monkeypatch, n_images: int) -> list[int]:
    """Let every classifier run out of memory with more than ``n_images`` at a time; gives the sizes of the passes as they are tried."""
    tried, forward = [], Classifier.forward

    def limited(model, images):
        tried.append(len(images))
        if len(images) > n_images:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return forward(model, images)

    monkeypatch.setattr(Classifier, "forward", limited)
    return tried


def spec_of(architecture: str = "alexnet", **arguments) -> dict:
    """What the config says of a network."""
    return {"architecture": f"robustlens.models.miniature:{architecture}", "arguments": arguments, **HALF}


def make_model(folder: Path, name: str = "net", network: nn.Module | None = None, spec: dict | None = None) -> tuple[str, str]:
    """Paths of the weights and the card of a network; of a random AlexNet with five classes if none is given."""
    spec = spec or spec_of(classes=5, width=8)
    network = network or random_network(classes=5, width=8)
    folder.mkdir(parents=True, exist_ok=True)
    save_model(folder, network, {"model": name, **spec, "input": "[0,1] RGB"})
    return str(folder / "weights.safetensors"), str(folder / "card.json")


# ------------------------------------------------------------------------------------------------- tables of a study, made by hand
STUDY = {
    "pairs": {"net": {"standard": "s", "robust": "r"}},
    "controls": {
        "shape-only": {"model": "shape-only", "pair": "net", "truth": "shape"},
        "texture-only": {"model": "texture-only", "pair": "net", "truth": "texture"},
    },
    "concepts": {"scenes": {"kind": "embedded"}},
    "claims": {
        "adversarial": "pgd",
        "cue_conflict": "conflict",
        "scrambled": ["scrambled-2", "scrambled-4"],
        "texture_less": ["silhouette"],
        "distortions": ["blur", "noise"],
    },
    "statistics": {"resamples": 300, "margin": 0.02, "fewest": 1},
    "dissection": {"iou": 0.04},
    "complexity": {"iou": 0.01},
}
RIGHT = {  # of 100 images, how many are right; always the first ones
    "s": {"clean": 98, "pgd": 2, "scrambled-2": 80, "scrambled-4": 60, "silhouette": 30, "blur": 95, "noise": 96},
    "r": {"clean": 90, "pgd": 60, "scrambled-2": 50, "scrambled-4": 20, "silhouette": 85, "blur": 85, "noise": 80},
}
CONFLICT = {"s": (20, 70), "r": (65, 25)}  # of 100 images, decided by shape and by texture
CONCEPTS = pd.DataFrame(
    {
        "concept_set": "scenes",
        "number": [1, 2, 3, 4, 5],
        "name": ["red", "stripes", "star", "disc", "edge"],
        "category": ["color", "texture", "object", "object", "part"],
        "perimetric_complexity": [1.0, 9.0, 5.0, 1.0, 2.0],
    }
)
SCORES = ["model", "layer", "unit", "n_images", "n_shape", "n_texture", "shape_score", "texture_score", "n_changed"]  # of an ablation
# What the six units of each layer stand for, best first; the last has an IoU below the cut.
DETECTS = {"s": [3, 3, 3, 5, 2, 3], "r": [2, 2, 2, 1, 4, 2], "shape-only": [2, 2, 1, 1, 1, 4], "texture-only": [3, 3, 3, 3, 3, 3]}


def predictions_table() -> pd.DataFrame:
    """Decisions of S and R as ``read_predictions`` gives them: ``RIGHT`` on plain images of class 0, ``CONFLICT`` on the others."""
    parts = []
    for model, right in RIGHT.items():
        for stimulus, n in right.items():
            parts.append(pd.DataFrame({"decision": [0] * n + [2] * (100 - n)}).assign(model=model, stimulus=stimulus, shape=0, texture=0))
        shape, texture = CONFLICT[model]
        found = [0] * shape + [1] * texture + [2] * (100 - shape - texture)
        parts.append(pd.DataFrame({"decision": found}).assign(model=model, stimulus="conflict", shape=0, texture=1))
    table = pd.concat(parts).rename_axis("number").reset_index()
    ids = np.where(table["stimulus"] == "conflict", "conflict-", "image-") + table["number"].astype(str)
    return table.drop(columns="number").assign(image_id=ids, label=0, correct=table["decision"].to_numpy() == 0)


def filters_table() -> pd.DataFrame:
    """Six filters in two layers: those of R half as rough and as colourful, rougher before training."""
    columns = ["model", "layer", "depth", "weights", "unit", "kernel_height", "kernel_width", "n_inputs"]
    columns += ["total_variation", "total_variation_unit_norm", "colour_share"]
    rows = []
    for model, level in (("s", 20.0), ("r", 10.0), ("shape-only", 15.0), ("texture-only", 25.0)):
        for depth, layer in enumerate(["conv1.0", "conv2.0"]):
            for unit in range(6):
                rough = level + depth + unit / 10
                colour = np.nan if depth else level / 40
                for state, value in (("trained", rough), ("initial", 50.0)):
                    rows.append((model, layer, depth, state, unit, 3, 3, 8 if depth else 3, value, value / 2, colour))
    return pd.DataFrame(rows, columns=columns)


def smoothness_table() -> pd.DataFrame:
    """Noise adds 40 % to the first maps of S and 10 % to those of R; the second maps of R are calmer. Unit 5 is silent."""
    rows = []
    for model, noisy, second, change in (("s", 1.4, 40.0, 0.5), ("r", 1.1, 15.0, 0.2)):
        for layer, level in (("conv1", 10.0), ("conv2", second)):
            for unit in range(5):
                rows.append((model, layer, unit, 40, level + unit / 10, (level + unit / 10) * noisy, change + unit / 100))
            rows.append((model, layer, 5, 40, 0.0, 1.0, np.nan))
    return pd.DataFrame(rows, columns=["model", "layer", "unit", "n_images", "tv_clean", "tv_noisy", "relative_change"])


def units_table(concept_set: str = "scenes") -> pd.DataFrame:
    """The best concepts of ``DETECTS``, in both layers."""
    rows = []
    for model, numbers in DETECTS.items():
        for layer in ("conv1", "conv2"):
            for unit, number in enumerate(numbers):
                best = CONCEPTS.loc[number - 1, ["number", "name", "category"]]
                rows.append((concept_set, model, layer, unit, 0.5, 100, 20000, *best, 0.02 if unit == 5 else 0.3))
    return pd.DataFrame(rows, columns=UNITS)


def complexity_table(concept_set: str = "scenes") -> pd.DataFrame:
    """Concepts per unit: 6 in S and 3 in R at an IoU of 0.01, half as many at 0.04; none in unit 5."""
    rows = []
    for model, n_concepts in (("s", 6), ("r", 3), ("shape-only", 4), ("texture-only", 4)):
        for layer in ("conv1", "conv2"):
            for unit in range(6):
                n = n_concepts + unit % 2 if unit < 5 else 0
                rows += [(concept_set, model, layer, unit, cut, n // k) for cut, k in ((0.01, 1), (0.04, 2))]
    return pd.DataFrame(rows, columns=["concept_set", "model", "layer", "unit", "threshold", "n_concepts"])


def ablation_table() -> pd.DataFrame:
    """Every unit of S changes 2 decisions by shape and 6 by texture, every unit of R 5 and 5."""
    rows = []
    for model, scores in (("s", (2, 6)), ("r", (5, 5))):
        for layer in ("conv1", "conv2"):
            rows += [(model, layer, unit, 100, *CONFLICT[model], *scores, sum(scores) + 1) for unit in range(6)]
    return pd.DataFrame(rows, columns=SCORES)


def write_predictions(folder: Path) -> list[str]:
    """Files of predictions, one a model, of :func:`predictions_table`."""
    paths = []
    for model, rows in predictions_table().groupby("model", sort=False):
        top5 = [[first, *({0, 1, 2} - {first})] for first in rows["decision"]]
        paths.append(folder / "predictions" / model / "predictions.parquet")
        write_parquet(paths[-1], rows.drop(columns=["decision", "correct"]).assign(top5=top5, probabilities=[[0.5]] * len(rows), loss=1.0))
    return [str(path) for path in paths]


def write_units(folder: Path, concept_sets: tuple[str, ...] = ("scenes",)) -> dict[str, list[str]]:
    """Files of the other tables, one a model (and concept set), by their kind."""
    found: dict[str, list[str]] = {}

    def write(kind: str, table: pd.DataFrame, concept_set: str = "") -> None:
        for model, rows in table.groupby("model", sort=False):
            path = folder / "neurons" / model / concept_set / f"{kind}.parquet"
            write_parquet(path, rows.reset_index(drop=True))
            found.setdefault(kind, []).append(str(path))

    for kind, table in (("filters", filters_table()), ("smoothness", smoothness_table()), ("ablation", ablation_table())):
        write(kind, table)
    for name in concept_sets:
        write("units", units_table(name).drop(columns="concept_set"), name)
        write("complexity", complexity_table(name).drop(columns="concept_set"), name)
        write_parquet(folder / "concepts" / name / "concepts.parquet", CONCEPTS.drop(columns="concept_set"))
        found.setdefault("concepts", []).append(str(folder / "concepts" / name / "concepts.parquet"))
    return found
