"""The claims C1 to C12 of the study (arXiv 2006.09373) put to this run: S, R, difference with interval, n, verdict.

A claim has one row an architecture and statistic. Differences of shares of images are bootstrapped over images, both networks on
the same resample; statistics of units or filters over the units of each network, apart. Definitions: docs/methods.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from robustlens.report.behaviour import both_correct, conflicting
from robustlens.report.statistics import compare, interval, ratio, resampled, verdict, weighted_mean
from robustlens.report.units import named_category, with_category

COLUMNS = ["claim", "architecture", "statistic", "standard", "robust", "difference", "low", "high", "n", "verdict"]
LOW_LEVEL, HIGH_LEVEL = ("color", "texture"), ("object", "part")
CLAIMS = tuple(f"C{number}" for number in range(1, 13))


@dataclass
class Evidence:
    """The tables of a study: predictions of all models, and of the units of each (empty tables where not measured)."""

    study: dict
    predictions: pd.DataFrame
    filters: pd.DataFrame
    smoothness: pd.DataFrame
    units: pd.DataFrame
    complexity: pd.DataFrame
    ablation: pd.DataFrame
    concepts: pd.DataFrame

    @property
    def count(self) -> int:
        """Bootstrap resamples."""
        return self.study["statistics"]["resamples"]

    def of(self, table: str, model: str) -> pd.DataFrame:
        """The rows of one model."""
        rows = getattr(self, table)
        return rows[rows["model"] == model] if len(rows) else rows


def judge(evidence: Evidence) -> pd.DataFrame:
    """The table ``claims.csv``; a claim of which nothing was measured has one row that says so."""
    rows = []
    for claim in CLAIMS:
        found = []
        for architecture, pair in evidence.study["pairs"].items():
            found += [(claim, architecture, *row) for row in MEASURES[claim](evidence, architecture, pair)]
        rows += found or [(claim, "", "", *[np.nan] * 5, "0", "not measured")]
    return pd.DataFrame(rows, columns=COLUMNS)


def compared(statistic: str, standard, robust, n, expected: int, evidence: Evidence, *key, margin: float = 0.0) -> tuple:
    """One row of the table, of two statistics of resampling weights (see :func:`robustlens.report.statistics.compare`).

    A bootstrap of a handful of items knows no spread: below ``statistics.fewest`` images, units or filters nothing is decided.
    """
    fewest = evidence.study["statistics"]["fewest"]
    value_s, value_r, difference, low, high = compare(standard, robust, n, evidence.count, statistic, *key)
    shown = str(n) if isinstance(n, int) else f"{n[0]}+{n[1]}"
    answer = verdict(low, high, expected, margin)
    if answer != "not measured" and min(n if isinstance(n, tuple) else (n,)) < fewest:
        answer = "undecided"
    return statistic, value_s, value_r, difference, low, high, shown, answer


# ----------------------------------------------------------------------------------------------------------------- behaviour
def paired_accuracy(evidence: Evidence, pair: dict, stimuli: list[str], subset: pd.Index | None = None) -> list[np.ndarray]:
    """For S and R, whether each image is right, averaged over ``stimuli``: float64 [n_images], in the same order of image ids."""
    scores = []
    for role in ("standard", "robust"):
        rows = evidence.of("predictions", pair[role])
        rows = rows[rows["stimulus"].isin(stimuli) & (rows["label"] >= 0)]
        if subset is not None:
            rows = rows[rows["image_id"].isin(subset)]
        table = rows.pivot(index="image_id", columns="stimulus", values="correct").reindex(columns=stimuli).dropna()
        scores.append(table.mean(axis=1).astype(float))
    common = scores[0].index.intersection(scores[1].index)
    return [score.reindex(common).to_numpy() for score in scores]


def accuracy_row(evidence, architecture, pair, name, stimuli, expected, *, subset=None, margin=0.0) -> Iterator[tuple]:
    """The row of an accuracy, or nothing where the study lacks one of the stimuli."""
    standard, robust = paired_accuracy(evidence, pair, stimuli, subset)
    if len(standard):
        statistics = weighted_mean(standard), weighted_mean(robust)
        yield compared(name, *statistics, len(standard), expected, evidence, architecture, margin=margin)


def attacked(evidence: Evidence, architecture: str, pair: dict) -> Iterator[tuple]:
    """C1: R is far more accurate under attack and less accurate on clean images."""
    name = evidence.study["claims"]["adversarial"]
    if name:
        yield from accuracy_row(evidence, architecture, pair, f"accuracy under {name}", [name], 1)
    yield from accuracy_row(evidence, architecture, pair, "accuracy on clean", ["clean"], -1)


def shape_against_texture(evidence: Evidence, architecture: str, pair: dict) -> Iterator[tuple]:
    """C2: S decides by texture and R by shape. Supported only if the interval of S is below 1/2 and that of R above."""
    name = evidence.study["claims"]["cue_conflict"]
    tables = [conflicting(rows, name).set_index("image_id") for rows in of_pair(evidence, "predictions", pair)]
    common = tables[0].index.intersection(tables[1].index).sort_values()
    if not len(common):
        return
    biases = []
    for rows in (table.loc[common] for table in tables):
        shape = (rows["decision"] == rows["shape"]).to_numpy(float)
        biases.append(ratio(shape, shape + (rows["decision"] == rows["texture"]).to_numpy(float)))
    row = compared("shape bias", *biases, len(common), 1, evidence, architecture)
    (low_s, high_s), (low_r, high_r) = (
        interval(resampled(bias, len(common), evidence.count, architecture, role)) for role, bias in zip("sr", biases, strict=True)
    )
    answer = row[-1]
    if answer == "supported" and not (high_s < 0.5 < low_r):
        answer = "contradicted" if low_s > 0.5 or high_r < 0.5 else "undecided"
    yield (*row[:-1], answer)


def modified(kind: str, expected: int):
    """C3, C4: accuracy on each stimulus that stands for ``kind``, on images of which both networks label the original correctly."""

    def measure(evidence: Evidence, architecture: str, pair: dict) -> Iterator[tuple]:
        subset = both_correct(evidence.predictions, pair)
        for name in evidence.study["claims"][kind]:
            yield from accuracy_row(evidence, architecture, pair, f"accuracy on {name}", [name], expected, subset=subset)

    return measure


def distorted(evidence: Evidence, architecture: str, pair: dict) -> Iterator[tuple]:
    """C5: on texture-preserving distortions R is on par or worse on average; "on par" within ``statistics.margin``."""
    names = evidence.study["claims"]["distortions"]
    subset = both_correct(evidence.predictions, pair)
    margin = evidence.study["statistics"]["margin"]
    if names:
        title = f"mean accuracy on {', '.join(names)}"
        yield from accuracy_row(evidence, architecture, pair, title, names, -1, subset=subset, margin=margin)


# --------------------------------------------------------------------------------------------------------------------- units
def unit_row(statistic: str, standard, robust, expected: int, evidence: Evidence, architecture: str) -> Iterator[tuple]:
    """The row of a mean over units of S and of R (NaN values are left out), or nothing where one of them has none."""
    values = [np.asarray(v, float)[np.isfinite(np.asarray(v, float))] for v in (standard, robust)]
    if all(len(v) for v in values):
        sizes = (len(values[0]), len(values[1]))
        yield compared(statistic, *(weighted_mean(v) for v in values), sizes, expected, evidence, architecture)


def of_pair(evidence: Evidence, table: str, pair: dict) -> list[pd.DataFrame]:
    return [evidence.of(table, pair[role]) for role in ("standard", "robust")]


def smooth_filters(evidence: Evidence, architecture: str, pair: dict) -> Iterator[tuple]:
    """C6: R's filters are smoother, first and over the network, and its first bank is less colourful."""
    tables = [rows[rows["weights"] == "trained"] for rows in of_pair(evidence, "filters", pair) if len(rows)]
    if len(tables) < 2:
        return
    first = [rows[rows["depth"] == 0] for rows in tables]
    names = {
        "first-layer filter total variation, unit norm": "total_variation_unit_norm",
        "first-layer filter total variation, raw weights": "total_variation",
        "first-layer filter colour share": "colour_share",
    }
    for title, column in names.items():
        yield from unit_row(title, *(rows[column] for rows in first), -1, evidence, architecture)
    title = "network mean filter total variation, raw weights"
    yield from unit_row(title, *(rows["total_variation"] for rows in tables), -1, evidence, architecture)


def blocked_noise(evidence: Evidence, architecture: str, pair: dict) -> Iterator[tuple]:
    """C7: R's first layer blocks pixel noise, and its maps behind the first layer vary less."""
    tables = of_pair(evidence, "smoothness", pair)
    if not all(len(rows) for rows in tables):
        return
    first = [rows[rows["layer"] == rows["layer"].iloc[0]] for rows in tables]
    change = [((rows["tv_noisy"] - rows["tv_clean"]).abs() / rows["tv_clean"].where(rows["tv_clean"] > 0)) for rows in first]
    yield from unit_row("first-layer map total variation, relative change under noise", *change, -1, evidence, architecture)
    change = [rows["relative_change"] for rows in first]
    yield from unit_row("first-layer activation, relative change under noise", *change, -1, evidence, architecture)
    for layer in tables[0]["layer"].unique()[1:]:
        maps = [rows["tv_clean"][rows["layer"] == layer] for rows in tables]
        yield from unit_row(f"{layer} map total variation on clean images", *maps, -1, evidence, architecture)


def _first_set(units: pd.DataFrame) -> pd.DataFrame:
    return units[units["concept_set"] == units["concept_set"].iloc[0]] if len(units) else units


def _sets(evidence: Evidence, pair: dict) -> Iterator[tuple[str, list[pd.DataFrame]]]:
    """Per concept set: the suffix of its statistics (none for the first set) and the unit tables of S and R."""
    for number, name in enumerate(evidence.study["concepts"]):
        tables = of_pair(evidence, "units", pair)
        tables = [rows[rows["concept_set"] == name] for rows in tables if len(rows)]
        if len(tables) == 2 and all(len(rows) for rows in tables):
            yield (f" ({name})" if number else ""), tables


def low_level(evidence: Evidence, architecture: str, pair: dict) -> Iterator[tuple]:
    """C8: R has more units for colours and textures and fewer for objects and parts."""
    cut = evidence.study["dissection"]["iou"]
    for suffix, tables in _sets(evidence, pair):
        for title, kinds, expected in (("low-level", LOW_LEVEL, 1), ("high-level", HIGH_LEVEL, -1)):
            shares = [named_category(rows, cut).isin(kinds) for rows in tables]
            yield from unit_row(f"share of {title} units, IoU >= {cut:g}{suffix}", *shares, expected, evidence, architecture)
            shares = [rows["category"].isin(kinds) for rows in tables]
            yield from unit_row(f"share of {title} units, no IoU cut{suffix}", *shares, expected, evidence, architecture)


def simple_objects(evidence: Evidence, architecture: str, pair: dict) -> Iterator[tuple]:
    """C9: the objects that R's units detect are simpler; here: of lower perimetric complexity."""
    cut = evidence.study["dissection"]["iou"]
    for suffix, tables in _sets(evidence, pair):
        values = []
        for rows in tables:
            rows = rows[(rows["iou"] >= cut) & (rows["category"] == "object")]
            concepts = evidence.concepts[evidence.concepts["concept_set"].isin(rows["concept_set"].unique())]
            values.append(rows["concept"].map(concepts.set_index("number")["perimetric_complexity"]))
        yield from unit_row(f"perimetric complexity of detected objects{suffix}", *values, -1, evidence, architecture)


def other_route(evidence: Evidence, architecture: str, pair: dict) -> Iterator[tuple]:
    """C10: another route to a shape bias (training where only shape predicts) shifts units as robustness does."""
    cut = evidence.study["dissection"]["iou"]
    for control in evidence.study["controls"].values():
        if control["pair"] != architecture or control["truth"] != "shape":
            continue
        for suffix, tables in _sets(evidence, {"standard": pair["standard"], "robust": control["model"]}):
            shares = [named_category(rows, cut).isin(LOW_LEVEL) for rows in tables]
            title = f"share of low-level units, IoU >= {cut:g}, {control['model']} in place of R{suffix}"
            yield from unit_row(title, *shares, 1, evidence, architecture)


def fewer_concepts(evidence: Evidence, architecture: str, pair: dict) -> Iterator[tuple]:
    """C11: R's units respond to fewer distinct concepts; also among detecting units alone, since R may have fewer of those."""
    cut = evidence.study["complexity"]["iou"]
    for suffix, units in _sets(evidence, pair) if len(evidence.complexity) else ():
        counts = [rows[np.isclose(rows["threshold"], cut)] for rows in of_pair(evidence, "complexity", pair)]
        counts = [rows[rows["concept_set"] == table["concept_set"].iloc[0]] for rows, table in zip(counts, units, strict=True)]
        values = [rows["n_concepts"] for rows in counts]
        yield from unit_row(f"concepts per unit, IoU >= {cut:g}{suffix}", *values, -1, evidence, architecture)
        detecting = [v[v > 0] for v in values]
        yield from unit_row(f"concepts per unit that has any, IoU >= {cut:g}{suffix}", *detecting, -1, evidence, architecture)


def ablated(evidence: Evidence, architecture: str, pair: dict) -> Iterator[tuple]:
    """C12: texture-labelled units matter for shape decisions too, and R's are generalists.

    The texture share is texture score / (shape score + texture score), summed over texture-labelled units: larger in S than in R if R's
    are generalists. By counts it also reflects how many decisions of each kind a network makes at all; by rates (scores over the
    network's decisions of that kind) it does not. The shape rate is the mean share of shape decisions that zeroing such a unit
    changes: supported if the intervals of both networks are above 0.
    """
    scores, units = of_pair(evidence, "ablation", pair), _first_set(evidence.units)
    if not (len(units) and all(len(rows) for rows in scores)):
        return
    cut = evidence.study["dissection"]["iou"]
    texture = [rows[rows["category"] == "texture"] for rows in (with_category(rows, units, cut) for rows in scores)]
    if not all(len(rows) for rows in texture):
        return
    sizes = (len(texture[0]), len(texture[1]))
    counts = [[rows[f"{cue}_score"].to_numpy(float) for cue in ("shape", "texture")] for rows in texture]
    totals = [[rows[f"n_{cue}"].iloc[0] or np.nan for cue in ("shape", "texture")] for rows in texture]
    rates = [[count / total for count, total in zip(*of_network, strict=True)] for of_network in zip(counts, totals, strict=True)]
    for unit, columns in (("counts", counts), ("rates", rates)):
        shares = [ratio(t, s + t) for s, t in columns]
        statistic = f"texture share of changed decisions, texture units, {unit}"
        yield compared(statistic, *shares, sizes, -1, evidence, architecture)
    rates = [shape for shape, _ in rates]
    for row in unit_row("shape decisions changed by a texture unit (share)", *rates, -1, evidence, architecture):
        lows = [interval(resampled(weighted_mean(v), len(v), evidence.count, architecture, i))[0] for i, v in enumerate(rates)]
        yield (*row[:-1], "supported" if min(lows) > 0 and min(sizes) >= evidence.study["statistics"]["fewest"] else "undecided")


MEASURES = {
    "C1": attacked,
    "C2": shape_against_texture,
    "C3": modified("scrambled", -1),
    "C4": modified("texture_less", 1),
    "C5": distorted,
    "C6": smooth_filters,
    "C7": blocked_noise,
    "C8": low_level,
    "C9": simple_objects,
    "C10": other_route,
    "C11": fewer_concepts,
    "C12": ablated,
}
