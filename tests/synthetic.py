"""A complete set of results made up in a moment, as docs/data.md describes it: for tests of what comes after the measurements.

The numbers are plausible and mean nothing. ``make_results(folder, study)`` writes the tables, claims, cards, weights and image shards
of every model and stimulus of ``study``, leaves out what the study cannot have, and says where everything is.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from safetensors.numpy import save_file

from robustlens.images import write_parquet, write_shard
from robustlens.neurons.top_maps import write_top_maps

ROOT = Path(__file__).resolve().parent.parent
SIDE, N_IMAGES, N_UNITS, N_TOP = 16, 8, 6, 10
THRESHOLDS = (0.005, 0.01, 0.02, 0.04, 0.08)
CONCEPTS = {"dots": "texture", "grain": "texture", "stripes": "texture", "red": "color", "disc": "object", "edge": "part"}
SHAPE_READS = {"standard": 0.2, "robust": 0.88, "single": 0.4, "texture": 0.003, "shape": 0.997}


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


def embedded_study() -> dict:
    """The config that ships, as a dictionary."""
    return yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


def small_study() -> dict:
    """The config that ships, cut down to one pair and its controls: quicker to draw."""
    study = embedded_study()
    study["pairs"] = {"alexnet": study["pairs"]["alexnet"]}
    study["models"] = {name: spec for name, spec in study["models"].items() if name.startswith("alexnet")}
    return study


def single_study() -> dict:
    """A study of one imported network on photographs: no pairs, controls, concepts, conflict images, attacks or noise."""
    return {
        "study": "photographs",
        "seed": 0,
        "sources": {"photographs": {"kind": "image-folder", "n_images": N_IMAGES, "root": "somewhere"}},
        "classes": None,
        "stimuli": {"scrambled-4": {"kind": "scrambled", "grid": 4, "preserves": "texture", "source": "photographs"}},
        "attacks": {},
        "concepts": {},
        "training": {},
        "models": {"lite": {"architecture": "package:factory", "weights": "lite.pth", "layers": ["stem"]}},
        "pairs": {},
        "controls": {},
        "suites": {"all": ["photographs", "scrambled-4"]},
        "activations": {"noise": None, "n_images": 0},
        "ablation": {"stimulus": None, "n_images": 0},
        "claims": {"adversarial": None, "cue_conflict": None, "scrambled": [], "texture_less": [], "distortions": []},
    }


def roles(study: dict) -> dict[str, str]:
    """What a model is: ``standard`` or ``robust`` in a pair, the truth of a control, or ``single``."""
    found = {pair[role]: role for pair in study["pairs"].values() for role in ("standard", "robust")}
    found |= {control["model"]: control["truth"] for control in study["controls"].values()}
    return {model: found.get(model, "single") for model in study["models"]}


def make_results(folder: Path, study: dict | None = None) -> Run:
    """Write made-up results of a study (the embedded one if None) under ``folder``; equal bytes every time."""
    run = Run(Path(folder), study or embedded_study())
    random = np.random.default_rng(0)
    for name, table in tables_of(run.study, random).items():
        run.tables.append(_csv(run.folder / "reports" / "tables" / f"{name}.csv", table))
    run.claims = _csv(run.folder / "reports" / "claims.csv", claims_of(run.study))
    for model, role in roles(run.study).items():
        make_model(run, model, role, random)
        make_units(run, model, role, random)
    make_shards(run, random)
    return run


def _csv(path: Path, table: pd.DataFrame) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, float_format="%.6g")
    return str(path)


# -------------------------------------------------------------------------------------------------------------------- tables
def tables_of(study: dict, random: np.random.Generator) -> dict[str, pd.DataFrame]:
    """Every table of results/reports/tables by name."""
    kinds = roles(study)
    concepts = bool(study["concepts"])
    units = pd.concat([units_of(model, study, random) for model in kinds], ignore_index=True) if concepts else pd.DataFrame()
    return {
        "accuracy": accuracy_of(study, kinds, random),
        "shape_bias": shape_bias_of(study, kinds),
        "shape_bias_by_class": by_class_of(shape_bias_of(study, kinds)),
        "total_variation": total_variation_of(study, kinds),
        "dissection": dissection_of(study, kinds) if concepts else _empty("model,layer,category,n_units,share"),
        "dissection_units": units if concepts else _empty("concept_set,model,layer,unit,name,category,iou"),
        "concept_shift": shift_of(study)
        if concepts
        else _empty("concept_set,pair,name,category,standard,robust,difference,n_units,low,high"),
        "complexity": complexity_of(study, kinds) if concepts else _empty("model,layer,threshold,n_units,mean,low,high"),
        "complexity_distribution": distribution_of(complexity_of(study, kinds))
        if concepts
        else _empty("model,threshold,at_least,n_units,share,low,high"),
        "ablation": ablation_of(study, kinds),
        "training": training_of(study),
        "filter_matches": filter_matches_of(study),
        "robustness": robustness_of(study, kinds),
        "corruption_errors": corruption_errors_of(study),
        "claim_tests": claim_tests_of(study),
        "concepts": concepts_of(study) if concepts else _empty("concept_set,name"),
    }


def _empty(columns: str) -> pd.DataFrame:
    return pd.DataFrame(columns=columns.split(","))


def _around(value: float, half: float) -> tuple[float, float]:
    return max(0.0, value - half), value + half


def accuracy_of(study: dict, kinds: dict, random: np.random.Generator) -> pd.DataFrame:
    levels = {"unchanged": (0.99, 0.96), "both": (0.95, 0.95), "texture": (0.6, 0.25), "shape": (0.4, 0.85), "attack": (0.02, 0.6)}
    rows = []
    for model, role in kinds.items():
        for stimulus in dict.fromkeys(name for members in study["suites"].values() for name in members):
            made = study["stimuli"].get(stimulus)
            group = "attack" if stimulus in study["attacks"] else made["preserves"] if made else "unchanged"
            top1 = float(np.clip(levels.get(group, (0.5, 0.5))[role in ("robust", "shape")] + random.uniform(-0.05, 0.05), 0, 1))
            rows.append((model, stimulus, 800, top1, max(0, top1 - 0.03), min(1, top1 + 0.03)))
    return pd.DataFrame(rows, columns=["model", "stimulus", "n_images", "top1", "low", "high"])


def shape_bias_of(study: dict, kinds: dict) -> pd.DataFrame:
    rows = []
    for model, role in kinds.items() if study["claims"]["cue_conflict"] else ():
        bias = SHAPE_READS[role]
        rows.append((model, 800, 700, bias * 7 / 8, (1 - bias) * 7 / 8, bias, max(0, bias - 0.03), min(1, bias + 0.03)))
    return pd.DataFrame(rows, columns=["model", "n_images", "n_decided", "shape", "texture", "shape_bias", "low", "high"])


def by_class_of(biases: pd.DataFrame) -> pd.DataFrame:
    rows = [biases.assign(**{"class": number, "n_images": 100, "n_decided": 90}) for number in range(8)]
    return pd.concat(rows, ignore_index=True)[["model", "class", *biases.columns[1:]]]


def filter_matches_of(study: dict) -> pd.DataFrame:
    rows = [(pair, "conv1.0", unit, N_UNITS - 1 - unit, 1 / (1 + unit), 75) for pair in study["pairs"] for unit in range(N_UNITS)]
    return pd.DataFrame(rows, columns=["pair", "layer", "unit_standard", "unit_robust", "rho", "n_weights"])


def robustness_of(study: dict, kinds: dict) -> pd.DataFrame:
    rows = [
        (model, eps, 200, top1, *_around(top1, 0.05))
        for model, role in (kinds.items() if study["pairs"] and study["attacks"] else ())
        for eps in (0, 1.0, 2.0)
        for top1 in (1 - eps / (4 if role == "robust" else 2.5),)
    ]
    return pd.DataFrame(rows, columns=["model", "eps", "n_images", "top1", "low", "high"])


def corruption_errors_of(study: dict) -> pd.DataFrame:
    members = [pair[role] for pair in study["pairs"].values() for role in ("standard", "robust")]
    rows = [(model, "fog", level, 800, level / 8, *_around(level / 8, 0.03)) for model in members for level in (1, 3, 5)]
    return pd.DataFrame(rows, columns=["model", "corruption", "severity", "n_images", "error", "low", "high"])


def total_variation_of(study: dict, kinds: dict) -> pd.DataFrame:
    rows = []
    for model, role in kinds.items():
        for depth, layer in enumerate(study["models"][model]["layers"]):
            level = (12.0 if role == "robust" and depth == 0 else 20.0) + depth
            filters = {"filter": 0.7 * level, "filter-unit-norm": level, "filter-unit-norm-initial": 24.0 + depth}
            maps = {"activation-clean": 30.0, "activation-noisy": 40.0, "relative-change": 0.2 if role == "robust" else 0.5}
            for statistic, value in {**filters, **(maps if study["activations"]["noise"] else {})}.items():
                name = f"{layer}.0" if statistic.startswith("filter") else layer
                rows.append((model, name, statistic, N_UNITS, value, *_around(value, value / 20)))
    return pd.DataFrame(rows, columns=["model", "layer", "statistic", "n_units", "mean", "low", "high"])


def dissection_of(study: dict, kinds: dict) -> pd.DataFrame:
    shares = {"object": 0.1, "part": 0.1, "scene": 0.0, "texture": 0.6, "color": 0.1, "material": 0.0, "none": 0.1}
    robust = {**shares, "object": 0.5, "texture": 0.2}
    rows = [
        (model, layer, category, round(10 * share), share)
        for model, role in kinds.items()
        for layer in study["models"][model]["layers"]
        for category, share in (robust if role in ("robust", "shape") else shares).items()
    ]
    return pd.DataFrame(rows, columns=["model", "layer", "category", "n_units", "share"])


def units_of(model: str, study: dict, random: np.random.Generator) -> pd.DataFrame:
    names = list(CONCEPTS)
    rows = []
    for concept_set in study["concepts"]:
        for layer in study["models"][model]["layers"]:
            for unit in range(N_UNITS):
                name = names[random.integers(len(names))]
                best = (names.index(name) + 1, name, CONCEPTS[name], round(float(random.uniform(0.01, 0.3)), 4))
                rows.append((concept_set, model, layer, unit, 0.5, 100, 20000, *best))
    columns = ["concept_set", "model", "layer", "unit", "threshold", "n_above", "n_cells", "concept", "name", "category", "iou"]
    return pd.DataFrame(rows, columns=columns)


def shift_of(study: dict) -> pd.DataFrame:
    rows = [
        (concept_set, pair, name, category, 12 - 3 * k, 4 + 2 * k, 5 * k - 8, "24+24", 5 * k - 12, 5 * k - 4)
        for concept_set in study["concepts"]
        for pair in study["pairs"]
        for k, (name, category) in enumerate(CONCEPTS.items())
    ]
    return pd.DataFrame(
        rows, columns=["concept_set", "pair", "name", "category", "standard", "robust", "difference", "n_units", "low", "high"]
    )


def distribution_of(complexity: pd.DataFrame) -> pd.DataFrame:
    """Fewer and fewer units with more and more concepts."""
    rows = []
    for (model, threshold), group in complexity.groupby(["model", "threshold"], sort=False):
        n_units = int(group["n_units"].sum())
        rows += [(model, threshold, n, n_units, 0.7**n, 0.9 * 0.7**n, min(1.0, 1.1 * 0.7**n)) for n in range(6)]
    return pd.DataFrame(rows, columns=["model", "threshold", "at_least", "n_units", "share", "low", "high"])


def complexity_of(study: dict, kinds: dict) -> pd.DataFrame:
    rows = []
    for model, role in kinds.items():
        for layer in study["models"][model]["layers"]:
            for threshold in THRESHOLDS:
                mean = (2.0 if role == "robust" else 3.0) * 0.02 / (threshold + 0.01)
                rows.append((model, layer, threshold, N_UNITS, mean, *_around(mean, 0.3)))
    return pd.DataFrame(rows, columns=["model", "layer", "threshold", "n_units", "mean", "low", "high"])


def ablation_of(study: dict, kinds: dict) -> pd.DataFrame:
    rows = []
    for model, role in kinds.items() if study["ablation"]["stimulus"] else ():
        for depth, layer in enumerate(study["models"][model]["layers"]) if role in ("standard", "robust") else ():
            for number, category in enumerate(("object", "texture", "none")):
                shape, texture = (6.0 + depth, 3.0 + number) if role == "robust" else (3.0 + number, 8.0 + depth)
                rows.append((model, layer, category, 4 + 5 * number, shape, texture, shape / 300, texture / 300))
    columns = ["model", "layer", "category", "n_units", "shape_score", "texture_score", "shape_rate", "texture_rate"]
    return pd.DataFrame(rows, columns=columns)


def training_of(study: dict) -> pd.DataFrame:
    """R of the second pair has images held out."""
    seen = {"googlenet-r": (0.625, 0.375)}
    rows = [
        (model, epoch, 2.0 / epoch, 1 - 0.6 / epoch, *seen.get(model, (np.nan, np.nan)))
        for model, spec in study["models"].items()
        if "train" in spec
        for epoch in range(1, study["training"][spec["train"]["recipe"]]["epochs"] + 1)
    ]
    return pd.DataFrame(rows, columns=["model", "epoch", "loss", "accuracy", "clean_accuracy", "robust_accuracy"])


def concepts_of(study: dict) -> pd.DataFrame:
    columns = ["concept_set", "number", "name", "category", "n_images", "pixels", "area", "perimetric_complexity"]
    rows = [
        (concept_set, number, name, category, 90, 4000, 0.02 * number, 1.5)
        for concept_set in study["concepts"]
        for number, (name, category) in enumerate(CONCEPTS.items(), 1)
    ]
    return pd.DataFrame(rows, columns=columns)


def claims_of(study: dict) -> pd.DataFrame:
    """One row a claim and pair; C5 contradicted, C8 mixed, C10 not measured."""
    verdicts = {"C5": "contradicted", "C8": "undecided", "C11": "undecided"}
    rows = []
    for number in range(1, 13):
        claim = f"C{number}"
        if not study["pairs"] or claim == "C10":
            rows.append((claim, "", "", *[np.nan] * 5, "0", "not measured"))
            continue
        for place, pair in enumerate(study["pairs"]):
            verdict = "contradicted" if (claim, place) == ("C8", 1) else verdicts.get(claim, "supported")
            n = "800" if number < 6 else "24+24"
            rows.append((claim, pair, f"statistic of {claim}", 0.2, 0.8, 0.6, 0.5, 0.7, n, verdict))
    columns = ["claim", "architecture", "statistic", "standard", "robust", "difference", "low", "high", "n", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def claim_tests_of(study: dict) -> pd.DataFrame:
    """A test of every claim that was measured; the verdict of C5 does not survive the correction."""
    claims = claims_of(study)
    rows = claims[claims["verdict"] != "not measured"]
    survives = (rows["claim"] != "C5").map({True: "true", False: "false"}).where(rows["verdict"] != "undecided", "")
    tests = rows.assign(test="mann-whitney", p=0.001, p_holm=0.02, effect=0.5, survives=survives)
    return tests[["claim", "architecture", "statistic", "n", "verdict", "test", "p", "p_holm", "effect", "survives"]]


# ------------------------------------------------------------------------------------------------------- models and pictures
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
        concepts = pd.DataFrame([(n, *pair) for n, pair in enumerate(CONCEPTS.items(), 1)], columns=["concept", "name", "category"])
        iou = units.merge(concepts, how="cross")
        iou["iou"] = random.uniform(0, 0.3, len(iou)).round(6)
        best = iou.loc[iou.groupby(["layer", "unit"], sort=False)["iou"].idxmax()]
        cells = {"threshold": np.float32(0.5), "n_above": 1, "n_cells": 16 * run.study["concepts"][name]["n_images"]}
        counted = pd.concat(iou.assign(threshold=value, n_concepts=iou["iou"] >= value) for value in THRESHOLDS)
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
