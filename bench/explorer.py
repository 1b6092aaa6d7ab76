"""The unit explorer at the scale of ResNet-50: time to write it, bytes on the disk, time until a browser shows a unit.

    python bench/explorer.py [--images 5000] [--concepts 1197] [--folder FOLDER]

Two networks with the five layers of ResNet-50 (3,904 units), every number, map and picture made up; pictures have 96 px and the spectrum of
photographs. A page is opened from the disk five times in a fresh Chromium, at the layer of 2,048 units and at the one of largest maps.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path += [str(Path(__file__).resolve().parents[1] / name) for name in ("workflow_scripts", "tests")]

from browser import Browser  # noqa: E402 (after the path)
from robustlens.images import write_parquet, write_shard  # noqa: E402
from robustlens.neurons.top_maps import write_top_maps  # noqa: E402
from robustlens.report import explorer  # noqa: E402
from robustlens.report.explorer_data import Files  # noqa: E402
from robustlens.report.results import Results  # noqa: E402

RESNET50 = {"conv1": (64, 112), "layer1": (256, 56), "layer2": (512, 28), "layer3": (1024, 14), "layer4": (2048, 7)}  # units, side of a map
PAIR = {"standard": "resnet-s", "robust": "resnet-r"}
SHARD, SIDE, N_TOP = 1000, 96, 10
CATEGORIES = ("object", "part", "scene", "texture", "color", "material")


def make_site(folder: Path, layers: dict[str, tuple[int, int]], n_images: int, n_concepts: int) -> Path:
    """Write made-up results and their explorer below ``folder``; returns the explorer's folder."""
    random = np.random.default_rng(0)
    files = Files(*([] for _ in Files.__dataclass_fields__))
    for model in PAIR.values():
        make_model(folder / "neurons" / model, files, layers, n_images, n_concepts, random)
    shards = [make_shard(folder / f"shard-{n:04d}.parquet", n, n_images, random) for n in range(-(-n_images // SHARD))]
    concepts = {"broden": {"n_images": n_images}}
    study = {"study": "made up", "models": dict.fromkeys(PAIR.values(), {}), "pairs": {"resnet50": PAIR}, "concepts": concepts}

    results = Results({**study, "dissection": {"quantile": 0.005}})
    explorer.write_explorer(folder / "explorer", results, files, shards)
    return folder / "explorer"


def make_model(folder: Path, files: Files, layers: dict, n_images: int, n_concepts: int, random: np.random.Generator) -> None:
    """The tables on the units of one model."""
    units = pd.concat([pd.DataFrame({"layer": layer, "unit": range(n), "side": side}) for layer, (n, side) in layers.items()])
    units = units.assign(threshold=np.float32(0.9), n_above=500, n_cells=units["side"] ** 2 * n_images).reset_index(drop=True)
    values = {name: random.gamma(2, 200, len(units)) for name in ("tv_clean", "tv_noisy", "relative_change")}
    write_to(folder / "smoothness.parquet", units.assign(**values), files.smoothness)
    scores = {name: random.integers(0, 99, len(units)) for name in ("shape_score", "texture_score", "n_changed")}
    write_to(
        folder.parents[1] / "ablation" / folder.name / "units.parquet",
        units.assign(model=folder.name, n_images=1200, n_shape=250, n_texture=800, **scores),
        files.ablation,
    )
    write_to(folder / "broden" / "units.parquet", units, files.units)
    write_to(
        folder.parent / "broden" / f"complexity-{folder.name}.parquet",
        units.assign(model=folder.name, threshold=0.01, n_concepts=random.integers(0, 9, len(units))),
        files.complexity,
    )
    top = units.loc[units.index.repeat(N_TOP)].assign(rank=np.tile(np.arange(N_TOP), len(units)), row=0, column=0)
    top["image_id"] = [f"clean-{number:06d}" for number in random.integers(0, n_images, len(top))]
    write_to(folder / "top_images.parquet", top.assign(activation=random.gamma(2, 3, len(top))), files.top_images)
    maps = {layer: random.random((n, N_TOP, side, side), np.float32).astype(np.float16) for layer, (n, side) in layers.items()}
    write_top_maps(folder / "top_maps.h5", maps)
    files.top_maps.append(str(folder / "top_maps.h5"))
    numbers = np.arange(1, n_concepts + 1)
    names = pd.Categorical.from_codes(numbers - 1, [f"concept {number}" for number in numbers])
    categories = pd.Categorical.from_codes(numbers % len(CATEGORIES), CATEGORIES)
    concepts = pd.DataFrame({"concept": numbers, "name": names, "category": categories})
    iou = units[["layer", "unit"]].merge(concepts, how="cross")
    write_to(folder / "broden" / "iou.parquet", iou.assign(iou=random.gamma(0.5, 0.01, len(iou))), files.iou)


def write_to(path: Path, table: pd.DataFrame, paths: list[str]) -> None:
    write_parquet(path, table)
    paths.append(str(path))


def make_shard(path: Path, number: int, n_images: int, random: np.random.Generator) -> str:
    """A shard of pictures with the spectrum of photographs: amplitude 1 / frequency, random phases, colours that go together."""
    rows = pd.DataFrame({"image_id": [f"clean-{i:06d}" for i in range(number * SHARD, min((number + 1) * SHARD, n_images))]})
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
    frequency[0, 0] = np.inf

    def picture() -> np.ndarray:
        noise = np.fft.rfft2(random.normal(size=(4, SIDE, SIDE))) / frequency
        waves = np.fft.irfft2(noise, (SIDE, SIDE))
        colours = 0.8 * waves[:1] + 0.2 * waves[1:]
        return np.clip(128 + 50 * (colours / colours.std()), 0, 255).astype(np.uint8).transpose(1, 2, 0)

    rows = rows.assign(label=np.int32(0), shape=np.int32(-1), texture=np.int32(-1))
    write_shard(path, rows, pixels=(picture() for _ in range(len(rows))), origin={"kind": "made up"})
    return str(path)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def seconds_to_open(page: Path, address: str, user: Path) -> float:
    """From the start of the navigation until the unit is drawn, its numbers and pictures, in a browser that has seen nothing before."""
    with Browser(user) as browser:
        browser.open(page.as_uri() + address)
        seconds = browser.wait("Number(document.documentElement.dataset.drawn)") / 1000
        assert browser.complaints == []
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--concepts", type=int, default=1197)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        started = time.perf_counter()
        site = make_site(Path(folder), RESNET50, arguments.images, arguments.concepts)
        print(f"made up and written in {time.perf_counter() - started:.0f} s")
        for part in ("layers", "sheets", "."):
            print(f"{part:8} {size_of(site / part) / 1e6:7.1f} MB")
        print(f"largest layer {max(path.stat().st_size for path in (site / 'layers').iterdir()) / 1e6:.1f} MB")
        for layer in ("layer4", "conv1"):
            runs = [seconds_to_open(site / "units.html", f"#resnet-s/{layer}/7", Path(folder) / f"{layer}-{n}") for n in range(5)]
            print(f"{layer}: open in {min(runs):.2f} to {max(runs):.2f} s")


if __name__ == "__main__":
    main()
