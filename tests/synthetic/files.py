"""The files of measurements behind a report, made up: weights, cards, tables of units, maps, image shards; and where they are."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import save_file

from robustlens.images import write_parquet, write_shard
from robustlens.neurons.top_maps import write_top_maps
from synthetic import tables
from synthetic.studies import N_IMAGES
from synthetic.tables import N_UNITS

SIDE, N_TOP = 16, 10


@dataclass
class Run:
    """Where the files of made-up results are."""

    folder: Path
    study: dict
    claims: str = ""
    tables: list[str] = field(default_factory=list)
    smoothness: list[str] = field(default_factory=list)
    weights: list[str] = field(default_factory=list)
    top_images: list[str] = field(default_factory=list)
    shards: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    complexity: list[str] = field(default_factory=list)
    iou: list[str] = field(default_factory=list)
    ablation: list[str] = field(default_factory=list)
    top_maps: list[str] = field(default_factory=list)
    cards: list[str] = field(default_factory=list)

    @property
    def drawn_from(self) -> dict:
        """The inputs of draw_figures."""
        clean = str(self.folder / "stimuli" / "clean" / "shard-0000.parquet")
        others = ("folder", "study", "claims", "cards")
        return {name: paths for name, paths in vars(self).items() if name not in others} | {
            "dumped": [clean] if clean in self.shards else []
        }

    @property
    def figures(self) -> str:
        return str(self.folder / "reports" / "figures")

    @property
    def explorer(self) -> str:
        return str(self.folder / "reports" / "explorer")

    @property
    def page(self) -> str:
        return str(self.folder / "reports" / "index.html")


def make_model(run: Run, model: str, role: str, random: np.random.Generator) -> None:
    """Weights, card, smoothness and top images of one model."""
    folder, layers = run.folder / "models" / model, run.study["models"][model]["layers"]
    folder.mkdir(parents=True, exist_ok=True)
    first = random.normal(size=(N_UNITS, 3, 5, 5)).astype(np.float32)
    save_file(
        {f"{layers[0]}.0.weight": first, "head.weight": random.normal(size=(4, 8)).astype(np.float32)}, folder / "weights.safetensors"
    )
    card = {
        "model": model,
        "architecture": run.study["models"][model]["architecture"],
        "sha256": f"{len(run.cards):064x}",
        "layers": layers,
        "convolutions": [f"{layers[0]}.0"],
    }
    (folder / "card.json").write_text(json.dumps({**card, "training": None, "source": "made up", "classes": 8}), encoding="utf-8")
    run.weights.append(str(folder / "weights.safetensors"))
    run.cards.append(str(folder / "card.json"))
    if not run.study["activations"]["noise"]:
        return
    rows = [
        (model, layer, unit, 400, clean, clean * (1.1 if role == "robust" else 1.6) * random.uniform(0.9, 1.1), 0.3)
        for layer in layers
        for unit, clean in enumerate(random.uniform(2, 60, N_UNITS))
    ]
    columns = ["model", "layer", "unit", "n_images", "tv_clean", "tv_noisy", "relative_change"]
    path = run.folder / "neurons" / model / "smoothness.parquet"
    write_parquet(path, pd.DataFrame(rows, columns=columns))
    run.smoothness.append(str(path))
    ids = [f"clean-{i:06d}" for i in range(N_IMAGES)]
    rows = [
        (model, layer, unit, rank, ids[(unit + rank) % N_IMAGES], 9.0 - rank, 0, 0)
        for layer in layers
        for unit in range(N_UNITS)
        for rank in range(N_TOP)
    ]
    path = run.folder / "neurons" / model / "top_images.parquet"
    write_parquet(path, pd.DataFrame(rows, columns=["model", "layer", "unit", "rank", "image_id", "activation", "row", "column"]))
    run.top_images.append(str(path))


def make_units(run: Run, model: str, role: str, random: np.random.Generator) -> None:
    """What dissection, complexity, ablation and the maps on the strongest images say of units of one model; maps are of 4 x 4 cells."""
    layers, keys = run.study["models"][model]["layers"], ["model", "layer", "unit"]
    units = pd.DataFrame([(model, layer, unit) for layer in layers for unit in range(N_UNITS)], columns=keys)
    for name in run.study["concepts"]:
        folder = run.folder / "neurons" / model / name
        concepts = pd.DataFrame([(n, *pair) for n, pair in enumerate(tables.CONCEPTS.items(), 1)], columns=["concept", "name", "category"])
        iou = units.merge(concepts, how="cross")
        iou["iou"] = random.uniform(0, 0.3, len(iou)).round(6)
        best = iou.loc[iou.groupby(["layer", "unit"], sort=False)["iou"].idxmax()]
        cells = {"threshold": np.float32(0.5), "n_above": 100, "n_cells": 16 * run.study["concepts"][name]["n_images"]}
        counted = pd.concat(iou.assign(threshold=value, n_concepts=iou["iou"] >= value) for value in tables.THRESHOLDS)
        complexity = counted.groupby([*keys, "threshold"], as_index=False)["n_concepts"].sum()
        run.iou.append(_parquet(folder / "iou.parquet", iou))
        run.units.append(_parquet(folder / "units.parquet", best.assign(**cells)))
        run.complexity.append(_parquet(folder / "complexity.parquet", complexity))
    if role in ("standard", "robust") and run.study["ablation"]["stimulus"]:
        scores = {name: random.integers(0, 40, len(units)) for name in ("shape_score", "texture_score", "n_changed")}
        table = units.assign(n_images=400, n_shape=250, n_texture=90, **scores)
        run.ablation.append(_parquet(run.folder / "ablation" / model / "units.parquet", table))
    if run.study["activations"]["noise"]:
        path = run.folder / "neurons" / model / "top_maps.h5"
        write_top_maps(path, {layer: random.uniform(0, 1, (N_UNITS, N_TOP, 4, 4)).astype(np.float16) for layer in layers})
        run.top_maps.append(str(path))


def _parquet(path: Path, table: pd.DataFrame) -> str:
    write_parquet(path, table)
    return str(path)


def make_shards(run: Run, random: np.random.Generator) -> None:
    """The first shard of every stimulus that a suite shows, and of every attack on every model of a pair."""
    study = run.study
    shown = dict.fromkeys(name for members in study["suites"].values() for name in members)
    source = next(iter(name for name in study["sources"] if name in shown))
    for name in shown:
        if name in study["attacks"]:
            for model in [pair[role] for pair in study["pairs"].values() for role in ("standard", "robust")]:
                run.shards.append(_shard(run.folder / "adversarial" / name / model, source, random))
        else:
            run.shards.append(_shard(run.folder / "stimuli" / name, name if name in study["sources"] else source, random))


def _shard(folder: Path, source: str, random: np.random.Generator) -> str:
    ids = np.arange(N_IMAGES)
    rows = pd.DataFrame({"image_id": [f"{source}-{i:06d}" for i in ids], "label": ids % 8, "shape": ids % 8, "texture": (ids + 3) % 8})
    pixels = random.integers(0, 256, (N_IMAGES, SIDE, SIDE, 3), dtype=np.uint8)
    path = folder / "shard-0000.parquet"
    write_shard(path, rows, pixels=iter(pixels), origin={"kind": "made up"})
    return str(path)
