"""What dissecting a layer costs: milliseconds an image and core, here and by other ways, in one run.

    python bench/dissection.py [--images 48] [--units 256] [--lite <folder>] [--device cuda]

A layer of 13 x 13 cells over label maps of 112 px, as AlexNet's last convolution has on Broden; smooth random maps, cut at 0. Labels of
Broden's number (1,197 of six categories), as blocks on one plane of which three quarters are empty (sparse), or on six full planes (dense).
The common loop resamples the map of each unit by Pillow and counts the labels under its mask, as NetDissect-Lite does. The NumPy way
resamples the maps of all units whose peak lies above the threshold, and counts all of them at once. With a checkout of NetDissect-Lite its
own tally runs too, on maps and labels in memory: every count, and the best IoU of each unit and category, must be ours to the bit.
With a device the counts of maps that lie on it run too, and must be the same. All else on one CPU thread; each way runs five times, in
turn. Medians, with the least and the most, of times and of the ratios of one turn; minutes are for the 63,305 images of Broden at the
median time of one. Prints Markdown.
"""

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "workflow_scripts"))

import numpy as np  # noqa: E402 (after the number of threads)
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from scipy.ndimage import gaussian_filter  # noqa: E402
from timing import spread, state_goal, take_turns  # noqa: E402
from torchvision.models import alexnet  # noqa: E402

from robustlens.devices import claim_device  # noqa: E402
from robustlens.neurons.device_counts import DeviceTally, DeviceThresholds  # noqa: E402
from robustlens.neurons.dissection import (  # noqa: E402
    ConceptIndex,
    ImageLabels,
    TallyAccumulator,
    ThresholdAccumulator,
    best_by_category,
    upsample,
)
from robustlens.neurons.total_variation import SmoothnessAccumulator  # noqa: E402

SIDE, CELLS, N_LABELS, N_BRODEN = 112, 13, 1197, 63305
FORWARD = "forward pass of AlexNet, 224 px"
PASSED = 64  # pictures a pass on a device
CATEGORIES = ("color", "object", "part", "material", "scene", "texture")


def make_labels(n_images: int, dense: bool) -> np.ndarray:
    """uint16 [n_images, n_planes, SIDE, SIDE]: 64 blocks a plane."""
    random = np.random.default_rng(1)
    blocks = random.integers(1, N_LABELS + 1, (n_images, 6 if dense else 1, 8, 8))
    if not dense:
        blocks[random.random(blocks.shape) < 0.75] = 0
    return np.kron(blocks, np.ones((1, 1, SIDE // 8, SIDE // 8), int)).astype(np.uint16)


def common_loop(maps: np.ndarray, thresholds: np.ndarray, planes: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Intersections int64 [n_units, n_numbers], unit by unit."""
    counts = np.zeros((len(thresholds), N_LABELS + 1), np.int64)
    for image, labels, scalars in zip(maps.astype(np.float32), planes, whole, strict=True):
        for unit, threshold in enumerate(thresholds):
            if image[unit].max() > threshold:
                mask = np.asarray(Image.fromarray(image[unit]).resize((SIDE, SIDE), Image.Resampling.BILINEAR)) > threshold
                found = np.bincount(labels[:, mask].ravel(), minlength=N_LABELS + 1)
                counts[unit] += found
                counts[unit, scalars] += mask.sum()
    counts[:, 0] = 0
    return counts


def numpy_way(maps: np.ndarray, thresholds: np.ndarray, planes: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Intersections int64 [n_units, n_numbers], image by image."""
    counts = np.zeros((len(thresholds), N_LABELS + 1), np.int64)
    for image, labels, scalars in zip(maps, planes, whole, strict=True):
        units = np.flatnonzero(image.max(axis=(1, 2)) > thresholds)
        above = upsample(image[units], SIDE, SIDE).reshape(len(units), -1) > thresholds[units, None]
        unit, pixel = np.divmod(np.flatnonzero(above), above.shape[1])
        cells = unit * (N_LABELS + 1) + labels.reshape(len(labels), -1)[:, pixel]
        counts[units] += np.bincount(cells.ravel(), minlength=len(units) * (N_LABELS + 1)).reshape(len(units), -1)
        counts[units[:, None], scalars] += np.bincount(unit, minlength=len(units))[:, None]
    counts[:, 0] = 0
    return counts


def load_lite(folder: Path) -> type:
    """NetDissect-Lite's ``FeatureOperator``; what it imports beside NumPy and torch is made up here."""

    def resize(values: np.ndarray, size: tuple[int, int], mode: str) -> np.ndarray:  # mode F: float32
        return np.asarray(Image.fromarray(np.asarray(values, np.float32)).resize(size[::-1], Image.Resampling.BILINEAR))

    class Prefetcher:
        def __init__(self, data: SimpleNamespace, **_: object):
            self.batches = data.batches

    settings: dict[str, Any] = {"OUTPUT_FOLDER": "", "PARALLEL": 1, "IMG_SIZE": 224, "TALLY_BATCH_SIZE": 16, "TALLY_AHEAD": 4}
    loader: dict[str, Any] = {"load_csv": None, "SegmentationData": None, "SegmentationPrefetcher": Prefetcher}
    made = {"scipy.misc": {"imresize": resize}, "settings": settings, "util": {}, "loader": {}, "loader.data_loader": loader}
    for name, names in {**made, "util.upsample": {}, "util.vecquantile": {}}.items():
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(names)
    for name in ("upsample", "vecquantile"):
        setattr(sys.modules["util"], name, sys.modules[f"util.{name}"])
    sys.path.insert(0, str(folder))
    return import_module("feature_operation").FeatureOperator


def lite_data(planes: np.ndarray, whole: np.ndarray, index: ConceptIndex) -> SimpleNamespace:
    """The labels as NetDissect-Lite asks for them: pixels in one category, labels of the image in another, nothing in the others."""
    names, primary = index.categories, np.maximum(index.category, 0)
    empty: dict[str, Any] = {name: [] for name in names} | {"sh": SIDE, "sw": SIDE}
    images = [
        {**empty, "i": n, "object": each, "scene": scalars.tolist()} for n, (each, scalars) in enumerate(zip(planes, whole, strict=True))
    ]
    return SimpleNamespace(
        label=range(N_LABELS + 1),
        labelcat=(primary[:, None] == np.arange(len(names))) * (np.arange(N_LABELS + 1) > 0)[:, None],
        name=lambda _, number: number,
        size=lambda: len(images),
        category_names=lambda: names,
        primary_categories_per_index=lambda: primary,
        batches=lambda: [images],
    )


def lite_way(operator: Any, maps: np.ndarray, thresholds: np.ndarray, data: SimpleNamespace) -> list[dict]:
    """NetDissect-Lite's rows, one a unit."""
    lite = operator.__new__(operator)  # its constructor reads a data set
    lite.data = data
    with contextlib.redirect_stdout(io.StringIO()):
        return sorted(lite.tally(maps, thresholds, savepath=""), key=lambda row: row["unit"])


def differs_from_lite(operator: Any, maps: np.ndarray, data: SimpleNamespace, ours: TallyAccumulator) -> str:
    """What NetDissect-Lite counts or scores otherwise than ``ours`` in the mode ``lite``; empty if nothing."""
    n_units, n_categories = len(ours.thresholds), len(ours.index.categories)
    pixels, areas, activated = np.zeros(N_LABELS + 1), np.zeros(n_units), np.zeros((n_units, n_categories))
    both = np.zeros((n_units, N_LABELS + 1))
    with contextlib.redirect_stdout(io.StringIO()):
        operator.tally_job((maps, data, ours.thresholds, pixels, areas, activated, both, 0, len(maps)))
    best, counted = best_by_category(ours.result()), ours.arrays()
    rows = lite_way(operator, maps, ours.thresholds, data)
    pairs: dict[str, tuple[Any, Any]] = {
        "pixels of concepts": (pixels, counted["concept_pixels"]),
        "activated pixels": (activated, counted["activated"]),
        "intersections": (both, counted["intersections"]),
        "best IoUs": ([row[f"{name}-iou"] for row in rows for name in ours.index.categories], best["iou"]),
    }
    return ", ".join(name for name, (theirs, found) in pairs.items() if not np.array_equal(theirs, found))


def make_ready(index: ConceptIndex, planes: np.ndarray, whole: np.ndarray) -> list[ImageLabels]:
    """The labels of all images as a tally takes them."""
    return [index.labels("", *each) for each in zip(planes, whole, strict=True)]


def main(n_images: int, n_units: int, lite: Path | None, device: str | None) -> None:
    torch.set_num_threads(1)
    operator = load_lite(lite) if lite else None
    random = np.random.default_rng(0)
    maps = gaussian_filter(random.normal(size=(n_images, n_units, CELLS, CELLS)), (0, 0, 1, 1))
    maps = np.maximum(3 * maps - 0.3, 0).astype(np.float16)
    whole = random.integers(1, N_LABELS + 1, (n_images, 2)).astype(np.uint16)
    table = [(number, f"concept {number}", CATEGORIES[number % 6]) for number in range(1, N_LABELS + 1)]
    index = ConceptIndex(pd.DataFrame(table, columns=["number", "name", "category"]))
    histogram = ThresholdAccumulator(n_units)
    histogram.add(maps)
    thresholds = histogram.result(0.005).threshold
    network, picture = alexnet(weights=None).eval(), torch.rand(4, 3, 224, 224)
    ways: dict[str, Callable[[], object]] = {"histogram": lambda: ThresholdAccumulator(n_units).add(maps)}
    there = torch.from_numpy(maps).to(claim_device(device or "cpu"))
    if device:
        ways[f"histogram on {device}"] = lambda: DeviceThresholds(n_units).add(there)
    for kind in ("sparse", "dense"):
        planes = make_labels(n_images, kind == "dense")
        found = make_ready(index, planes, whole)

        def tally(denominator="paper", found=found, of: type = TallyAccumulator, on: object = maps):
            counted = of(thresholds, index, SIDE, SIDE, denominator)
            counted.add(on, found)
            return counted

        given = maps, thresholds, planes, whole
        others: dict[str, Callable[[], Any]] = {
            name: partial(way, *given) for name, way in (("the common loop", common_loop), ("NumPy", numpy_way))
        }
        if device:

            def tally_there(tally: Callable = tally) -> np.ndarray:
                return tally(of=DeviceTally, on=there).arrays()["intersections"]

            others[f"tally on {device}"] = tally_there
        for name, way in others.items():
            if not np.array_equal(tally().arrays()["intersections"], way()):
                sys.exit(f"{kind} labels: {name} counts otherwise")
        if operator:
            data, stored = lite_data(planes, whole, index), maps.astype(np.float64)
            if different := differs_from_lite(operator, stored, data, tally("lite")):
                sys.exit(f"{kind} labels: NetDissect-Lite has other {different}")
            others["NetDissect-Lite"] = partial(lite_way, operator, stored, thresholds, data)
        ways[f"labels made ready, {kind}"] = partial(make_ready, index, planes, whole)
        ways |= {f"tally, {kind} labels": tally} | {f"{name}, {kind} labels": way for name, way in others.items()}
    ways["total variation, clean and noisy"] = lambda: SmoothnessAccumulator(n_units).add(maps, maps)
    ways[FORWARD] = lambda: network(picture)
    if device:
        network_there, pictures_there = alexnet(weights=None).eval().to(there.device), torch.rand(PASSED, 3, 224, 224, device=there.device)
        ways[f"{FORWARD}, on {device}"] = lambda: network_there(pictures_there).cpu()
    with torch.inference_mode():
        for way in ways.values():
            way()  # compiles, and warms up
        seconds = take_turns(ways)
    n_images_of = dict.fromkeys(ways, n_images) | {FORWARD: len(picture), f"{FORWARD}, on {device}": PASSED}
    print(f"{n_units} units of {CELLS} x {CELLS} cells, {n_images} images, label maps of {SIDE} px, torch {torch.__version__}\n")
    print_steps({name: took / n_images_of[name] for name, took in seconds.items()})
    if operator:
        print("\nNetDissect-Lite: the same counts, and the same best IoU of each unit and category to the last bit.")


def print_steps(each: dict[str, np.ndarray]) -> None:
    """A row a step, of its seconds an image of each turn; then the goals."""
    print("| step | ms an image | time / forward pass | time / tally of these labels | minutes for Broden |\n|---|---|---|---|---|")
    for name, took in each.items():
        tallied = each.get(f"tally, {name.rpartition(', ')[2]}")
        ratio = "" if tallied is None or name.startswith("tally") else spread(took / tallied, 1)
        whole = f"{np.median(took) * N_BRODEN / 60:.1f}"
        print(f"| {name} | {spread(1000 * took, 3)} | {spread(took / each[FORWARD], 3)} | {ratio} | {whole} |")
    peer = "NetDissect-Lite" if "NetDissect-Lite, dense labels" in each else "the common loop"
    for kind in ("sparse", "dense"):
        state_goal(f"{peer} / tally, {kind} labels", each[f"{peer}, {kind} labels"] / each[f"tally, {kind} labels"], at_least=20)
    state_goal("histogram / forward pass", each["histogram"] / each[FORWARD], at_most=0.1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What dissecting a layer costs.")
    parser.add_argument("--images", type=int, default=48, help="images (48)")
    parser.add_argument("--units", type=int, default=256, help="units of the layer (256)")
    parser.add_argument("--lite", type=Path, help="a checkout of NetDissect-Lite, to run it as well")
    parser.add_argument("--device", help="count on this device as well: cuda or cuda:<number>")
    arguments = parser.parse_args()
    main(arguments.images, arguments.units, arguments.lite, arguments.device)
