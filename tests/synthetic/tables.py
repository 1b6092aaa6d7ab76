"""Every table of a report, made up."""

import numpy as np
import pandas as pd

from robustlens.report.claims import CLAIM_TESTS
from robustlens.report.results import COLUMNS
from robustlens.report.units import SHIFT, UNITS
from synthetic.studies import roles

N_UNITS = 6
N_FILTERS = 24  # enough for their mean to be stated
THRESHOLDS = (0.005, 0.01, 0.02, 0.04, 0.08)
CONCEPTS = {"dots": "texture", "grain": "texture", "stripes": "texture", "red": "color", "disc": "object", "edge": "part"}
SHAPE_READS = {"standard": 0.2, "robust": 0.88, "single": 0.4, "texture": 0.003, "shape": 0.997}


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
        "dissection": dissection_of(study, kinds) if concepts else _empty(COLUMNS["dissection"]),
        "dissection_units": units if concepts else _empty(COLUMNS["dissection_units"]),
        "concept_shift": shift_of(study) if concepts else _empty(SHIFT),
        "complexity": complexity_of(study, kinds) if concepts else _empty(COLUMNS["complexity"]),
        "complexity_distribution": distribution_of(complexity_of(study, kinds)) if concepts else _empty(COLUMNS["complexity_distribution"]),
        "ablation": ablation_of(study, kinds),
        "training": training_of(study),
        "filter_matches": filter_matches_of(study),
        "robustness": robustness_of(study, kinds),
        "corruption_errors": corruption_errors_of(study),
        "claim_tests": claim_tests_of(study),
        "concepts": concepts_of(study) if concepts else _empty(["concept_set", "name"]),
    }


def _empty(columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(columns=columns)


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
    return pd.DataFrame(rows, columns=COLUMNS["accuracy"])


def shape_bias_of(study: dict, kinds: dict) -> pd.DataFrame:
    rows = []
    for model, role in kinds.items() if study["claims"]["cue_conflict"] else ():
        bias = SHAPE_READS[role]
        rows.append((model, 800, 700, bias * 7 / 8, (1 - bias) * 7 / 8, bias, max(0, bias - 0.03), min(1, bias + 0.03)))
    return pd.DataFrame(rows, columns=COLUMNS["shape_bias"])


def by_class_of(biases: pd.DataFrame) -> pd.DataFrame:
    rows = [biases.assign(**{"class": number, "n_images": 100, "n_decided": 90}) for number in range(8)]
    return pd.concat(rows, ignore_index=True)[["model", "class", *biases.columns[1:]]]


def filter_matches_of(study: dict) -> pd.DataFrame:
    rows = [(pair, "conv1.0", unit, N_UNITS - 1 - unit, 1 / (1 + unit), 75) for pair in study["pairs"] for unit in range(N_UNITS)]
    return pd.DataFrame(rows, columns=COLUMNS["filter_matches"])


def robustness_of(study: dict, kinds: dict) -> pd.DataFrame:
    rows = [
        (model, eps, 200, top1, *_around(top1, 0.05))
        for model, role in (kinds.items() if study["pairs"] and study["attacks"] else ())
        for eps in (0, 1.0, 2.0)
        for top1 in (1 - eps / (4 if role == "robust" else 2.5),)
    ]
    return pd.DataFrame(rows, columns=COLUMNS["robustness"])


def corruption_errors_of(study: dict) -> pd.DataFrame:
    members = [pair[role] for pair in study["pairs"].values() for role in ("standard", "robust")]
    rows = [(model, "fog", level, 800, level / 8, *_around(level / 8, 0.03)) for model in members for level in (1, 3, 5)]
    return pd.DataFrame(rows, columns=COLUMNS["corruption_errors"])


def total_variation_of(study: dict, kinds: dict) -> pd.DataFrame:
    rows = []
    for model, role in kinds.items():
        for depth, layer in enumerate(study["models"][model]["layers"]):
            level = (12.0 if role == "robust" and depth == 0 else 20.0) + depth
            filters = {"filter": 0.7 * level, "filter-unit-norm": level, "filter-unit-norm-initial": 24.0 + depth}
            maps = {"activation-clean": 30.0, "activation-noisy": 40.0, "relative-change": 0.2 if role == "robust" else 0.5}
            for statistic, value in {**filters, **(maps if study["activations"]["noise"] else {})}.items():
                name = f"{layer}.0" if statistic.startswith("filter") else layer
                rows.append((model, name, statistic, N_FILTERS, value, *_around(value, value / 20)))
    return pd.DataFrame(rows, columns=COLUMNS["total_variation"])


def dissection_of(study: dict, kinds: dict) -> pd.DataFrame:
    shares = {"object": 0.1, "part": 0.1, "scene": 0.0, "texture": 0.6, "color": 0.1, "material": 0.0, "none": 0.1}
    robust = {**shares, "object": 0.5, "texture": 0.2}
    rows = [
        (model, layer, category, round(10 * share), share)
        for model, role in kinds.items()
        for layer in study["models"][model]["layers"]
        for category, share in (robust if role in ("robust", "shape") else shares).items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS["dissection"])


def units_of(model: str, study: dict, random: np.random.Generator) -> pd.DataFrame:
    names = list(CONCEPTS)
    rows = []
    for concept_set in study["concepts"]:
        for layer in study["models"][model]["layers"]:
            for unit in range(N_UNITS):
                name = names[random.integers(len(names))]
                best = (names.index(name) + 1, name, CONCEPTS[name], round(float(random.uniform(0.01, 0.3)), 4))
                rows.append((concept_set, model, layer, unit, 0.5, 100, 20000, *best))
    return pd.DataFrame(rows, columns=UNITS)


def shift_of(study: dict) -> pd.DataFrame:
    rows = [
        (concept_set, pair, name, category, 12 - 3 * k, 4 + 2 * k, 5 * k - 8, "24+24", 5 * k - 12, 5 * k - 4)
        for concept_set in study["concepts"]
        for pair in study["pairs"]
        for k, (name, category) in enumerate(CONCEPTS.items())
    ]
    return pd.DataFrame(rows, columns=SHIFT)


def distribution_of(complexity: pd.DataFrame) -> pd.DataFrame:
    """Fewer and fewer units with more and more concepts."""
    rows = []
    for (model, threshold), group in complexity.groupby(["model", "threshold"], sort=False):
        n_units = int(group["n_units"].sum())
        rows += [(model, threshold, n, n_units, 0.7**n, 0.9 * 0.7**n, min(1.0, 1.1 * 0.7**n)) for n in range(6)]
    return pd.DataFrame(rows, columns=COLUMNS["complexity_distribution"])


def complexity_of(study: dict, kinds: dict) -> pd.DataFrame:
    rows = []
    for model, role in kinds.items():
        for layer in study["models"][model]["layers"]:
            for threshold in THRESHOLDS:
                mean = (2.0 if role == "robust" else 3.0) * 0.02 / (threshold + 0.01)
                rows.append((model, layer, threshold, N_UNITS, mean, *_around(mean, 0.3)))
    return pd.DataFrame(rows, columns=COLUMNS["complexity"])


def ablation_of(study: dict, kinds: dict) -> pd.DataFrame:
    rows = []
    for model, role in kinds.items() if study["ablation"]["stimulus"] else ():
        for depth, layer in enumerate(study["models"][model]["layers"]) if role in ("standard", "robust") else ():
            for number, category in enumerate(("object", "texture", "none")):
                shape, texture = (6.0 + depth, 3.0 + number) if role == "robust" else (3.0 + number, 8.0 + depth)
                rows.append((model, layer, category, 4 + 5 * number, shape, texture, shape / 300, texture / 300))
    return pd.DataFrame(rows, columns=COLUMNS["ablation"])


def training_of(study: dict) -> pd.DataFrame:
    """R of the second pair has images held out."""
    seen = {"googlenet-r": (0.625, 0.375)}
    rows = [
        (model, epoch, 2.0 / epoch, 1 - 0.6 / epoch, *seen.get(model, (np.nan, np.nan)))
        for model, spec in study["models"].items()
        if "train" in spec
        for epoch in range(1, study["training"][spec["train"]["recipe"]]["epochs"] + 1)
    ]
    return pd.DataFrame(rows, columns=COLUMNS["training"])


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
    return pd.DataFrame(rows, columns=COLUMNS["claims"])


def claim_tests_of(study: dict) -> pd.DataFrame:
    """A test of every claim that was measured; the verdict of C5 does not survive the correction."""
    claims = claims_of(study)
    rows = claims[claims["verdict"] != "not measured"]
    survives = (rows["claim"] != "C5").map({True: "true", False: "false"}).where(rows["verdict"] != "undecided", "")
    tests = rows.assign(test="mann-whitney", p=0.001, p_holm=0.02, effect=0.5, survives=survives)
    return tests[CLAIM_TESTS]
