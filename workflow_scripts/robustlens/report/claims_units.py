"""The claims about hidden units, C6 to C12: each a function that gives the rows of one pair. Definitions: docs/methods.md."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from robustlens.report.evidence import Evidence, Row, compared, of_pair
from robustlens.report.significance import Test, both, mann_whitney
from robustlens.report.units import named_category, with_category
from robustlens.statistics import interval, ratio, resampled, weighted_mean

LOW_LEVEL, HIGH_LEVEL = ("color", "texture"), ("object", "part")


def unit_row(statistic: str, values: Sequence, expected: int, evidence: Evidence, architecture: str, layers=(None, None)) -> Iterator[Row]:
    """The row of a mean over units of S and of R (NaN values are left out), or nothing where one of them has none.

    ``values``: [n_units] of S and of R. ``layers``: of the units of each, where they come from several: units are then resampled, and
    ranked by the test, within their layer.
    """
    values = [np.asarray(v, float) for v in values]
    known = [np.isfinite(v) for v in values]
    if all(k.any() for k in known):
        strata = tuple(None if layer is None else np.asarray(layer)[k] for layer, k in zip(layers, known, strict=True))
        standard, robust = (v[k] for v, k in zip(values, known, strict=True))
        means, sizes = (weighted_mean(standard), weighted_mean(robust)), (len(standard), len(robust))
        test = mann_whitney(standard, robust, strata)
        yield compared(statistic, *means, sizes, expected, evidence, architecture, test=test, strata=strata)


def layers_of(tables: list[pd.DataFrame]) -> list[pd.Series]:
    return [rows["layer"] for rows in tables]


def smooth_filters(evidence: Evidence, architecture: str, pair: dict) -> Iterator[Row]:
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
        yield from unit_row(title, [rows[column] for rows in first], -1, evidence, architecture)
    for title, column in (("unit norm", "total_variation_unit_norm"), ("raw weights", "total_variation")):
        values = [rows[column] for rows in tables]
        yield from unit_row(f"network mean filter total variation, {title}", values, -1, evidence, architecture, layers_of(tables))


def blocked_noise(evidence: Evidence, architecture: str, pair: dict) -> Iterator[Row]:
    """C7: R's first layer blocks pixel noise, and its maps behind the first layer vary less."""
    tables = of_pair(evidence, "smoothness", pair)
    if not all(len(rows) for rows in tables):
        return
    first = [rows[rows["layer"] == rows["layer"].iloc[0]] for rows in tables]
    change = [((rows["tv_noisy"] - rows["tv_clean"]).abs() / rows["tv_clean"].where(rows["tv_clean"] > 0)) for rows in first]
    yield from unit_row("first-layer map total variation, relative change under noise", change, -1, evidence, architecture)
    change = [rows["relative_change"] for rows in first]
    yield from unit_row("first-layer activation, relative change under noise", change, -1, evidence, architecture)
    for layer in tables[0]["layer"].unique()[1:]:
        maps = [rows["tv_clean"][rows["layer"] == layer] for rows in tables]
        yield from unit_row(f"{layer} map total variation on clean images", maps, -1, evidence, architecture)


def _first_set(units: pd.DataFrame) -> pd.DataFrame:
    return units[units["concept_set"] == units["concept_set"].iloc[0]] if len(units) else units


def _sets(evidence: Evidence, pair: dict) -> Iterator[tuple[str, list[pd.DataFrame]]]:
    """Per concept set: the suffix of its statistics (none for the first set) and the unit tables of S and R."""
    for number, name in enumerate(evidence.study["concepts"]):
        tables = of_pair(evidence, "units", pair)
        tables = [rows[rows["concept_set"] == name] for rows in tables if len(rows)]
        if len(tables) == 2 and all(len(rows) for rows in tables):
            yield (f" ({name})" if number else ""), tables


def low_level(evidence: Evidence, architecture: str, pair: dict) -> Iterator[Row]:
    """C8: R has more units for colours and textures and fewer for objects and parts."""
    cut = evidence.study["dissection"]["iou"]
    for suffix, tables in _sets(evidence, pair):
        for title, kinds, expected in (("low-level", LOW_LEVEL, 1), ("high-level", HIGH_LEVEL, -1)):
            shares = [named_category(rows, cut).isin(kinds) for rows in tables]
            name = f"share of {title} units, IoU >= {cut:g}{suffix}"
            yield from unit_row(name, shares, expected, evidence, architecture, layers_of(tables))
            shares = [rows["category"].isin(kinds) for rows in tables]
            name = f"share of {title} units, no IoU cut{suffix}"
            yield from unit_row(name, shares, expected, evidence, architecture, layers_of(tables))


def simple_objects(evidence: Evidence, architecture: str, pair: dict) -> Iterator[Row | str]:
    """C9: the objects that R's units detect are simpler; here: of lower perimetric complexity."""
    cut = evidence.study["dissection"]["iou"]
    for suffix, tables in _sets(evidence, pair):
        values = []
        for rows in tables:
            rows = rows[(rows["iou"] >= cut) & (rows["category"] == "object")]
            concepts = evidence.concepts[evidence.concepts["concept_set"].isin(rows["concept_set"].unique())]
            values.append(rows["concept"].map(concepts.set_index("number")["perimetric_complexity"]))
        yield from unit_row(f"perimetric complexity of detected objects{suffix}", values, -1, evidence, architecture)
        if not all(v.notna().any() for v in values):
            yield "S, R or both have no unit that detects an object"


def other_route(evidence: Evidence, architecture: str, pair: dict) -> Iterator[Row]:
    """C10: another route to a shape bias (training where only shape predicts) shifts units as robustness does.

    Expected is the sign of this run's own R - S; where that is undecided, so is the claim. Its test is the weaker of those of both
    shifts.
    """
    cut = evidence.study["dissection"]["iou"]
    for control in evidence.study["controls"].values():
        if control["pair"] != architecture or control["truth"] != "shape":
            continue
        shifts: dict[str, list[Row]] = {}
        for network in (pair["robust"], control["model"]):
            shifts[network] = []
            for suffix, tables in _sets(evidence, {"standard": pair["standard"], "robust": network}):
                shares = [named_category(rows, cut).isin(LOW_LEVEL) for rows in tables]
                title = f"share of low-level units, IoU >= {cut:g}, {network} in place of R{suffix}"
                shifts[network] += unit_row(title, shares, 1, evidence, architecture, layers_of(tables))
        for of_r, of_control in zip(shifts[pair["robust"]], shifts[control["model"]], strict=False):
            answers = {of_r.verdict, of_control.verdict}
            answer = "undecided" if "undecided" in answers else "supported" if len(answers) == 1 else "contradicted"
            yield replace(of_control, **_of_both_shifts(of_r, of_control), verdict=answer)


def _of_both_shifts(of_r: Row, of_control: Row) -> dict:
    """The weaker test, with the shift that it is of."""
    test = both(of_r.test, of_control.test)
    return {"test": test, "leaning": (of_control if test is of_control.test else of_r).leaning}


def fewer_concepts(evidence: Evidence, architecture: str, pair: dict) -> Iterator[Row]:
    """C11: R's units respond to fewer distinct concepts; also among detecting units alone, since R may have fewer of those."""
    cut = evidence.study["complexity"]["iou"]
    for suffix, units in _sets(evidence, pair) if len(evidence.complexity) else ():
        counts = [rows[np.isclose(rows["threshold"], cut)] for rows in of_pair(evidence, "complexity", pair)]
        counts = [rows[rows["concept_set"] == table["concept_set"].iloc[0]] for rows, table in zip(counts, units, strict=True)]
        values, layers = [rows["n_concepts"] for rows in counts], layers_of(counts)
        yield from unit_row(f"concepts per unit, IoU >= {cut:g}{suffix}", values, -1, evidence, architecture, layers)
        detecting = [v.where(v > 0) for v in values]
        yield from unit_row(f"concepts per unit that has any, IoU >= {cut:g}{suffix}", detecting, -1, evidence, architecture, layers)


def ablated(evidence: Evidence, architecture: str, pair: dict) -> Iterator[Row | str]:
    """C12: texture-labelled units matter for shape decisions too, and R's are generalists.

    The texture share is texture score / (shape score + texture score), summed over texture-labelled units: larger in S than in R if R's
    are generalists. By counts it also reflects how many decisions of each kind a network makes at all; by rates (scores over the
    network's decisions of that kind) it does not. The last row is what zeroing a texture unit changes of the shape decisions (share)
    beyond what zeroing a unit of no concept in its layer changes: supported if both networks' intervals are above 0, contradicted if
    one of them is below.
    """
    scores, units = of_pair(evidence, "ablation", pair), _first_set(evidence.units)
    if not (len(units) and all(len(rows) for rows in scores)):
        return
    cut = evidence.study["dissection"]["iou"]
    labelled = [with_category(rows, units, cut) for rows in scores]
    texture = [rows[rows["category"] == "texture"] for rows in labelled]
    if not all(len(rows) for rows in texture):
        yield "S, R or both have no ablated unit that detects a texture"
        return
    sizes = (len(texture[0]), len(texture[1]))
    for unit in ("rates", "counts"):
        columns = [[_score(rows, cue, unit) for cue in ("shape", "texture")] for rows in texture]
        standard, robust = (ratio(t, s + t) for s, t in columns)
        statistic = f"texture share of changed decisions, texture units, {unit}"
        test = _own_shares(columns, layers_of(texture))
        yield compared(statistic, standard, robust, sizes, -1, evidence, architecture, test=test, strata=layers_of(texture))
    yield from beyond_nothing(labelled, evidence, architecture)


def _own_shares(columns: list[list[np.ndarray]], layers: list[pd.Series]) -> Test:
    """Mann-Whitney's test of each unit's own texture share; units that change no decision, or have no rate, have none."""
    known = [(s + t) > 0 for s, t in columns]
    standard, robust = (t[k] / (s + t)[k] for (s, t), k in zip(columns, known, strict=True))
    return mann_whitney(standard, robust, tuple(np.asarray(layer)[k] for layer, k in zip(layers, known, strict=True)))


def _score(rows: pd.DataFrame, cue: str, unit: str) -> np.ndarray:
    """The score of each unit for a cue, as a count or as the rate of the network's decisions by that cue (NaN if it makes none)."""
    total = rows[f"n_{cue}"].where(rows[f"n_{cue}"] > 0) if unit == "rates" else 1
    return (rows[f"{cue}_score"] / total).to_numpy(float)


def beyond_nothing(labelled: list[pd.DataFrame], evidence: Evidence, architecture: str) -> Iterator[Row]:
    """The last row of C12 (see :func:`ablated`); nothing where a network has no layer with units of both kinds."""
    contrasts, sizes, groups, tests = [], [], [], []
    for rows in labelled:
        rows = rows[rows["category"].isin(["texture", "none"])]
        rows = rows[rows.groupby("layer")["category"].transform("nunique") == 2]
        named = (rows["category"] == "texture").to_numpy()
        values, layers = _score(rows, "shape", "rates"), rows["layer"].to_numpy()
        contrasts.append(contrast_in_layers(values, named, layers))
        known = np.isfinite(values)
        without, with_texture = ~named & known, named & known
        tests.append(mann_whitney(values[without], values[with_texture], (layers[without], layers[with_texture])))
        sizes += [int(named.sum()), int((~named).sum())]
        groups.append((rows["layer"] + "/" + rows["category"]).to_numpy(str))
    if not all(sizes):
        return
    n = (len(groups[0]), len(groups[1]))
    title = "shape decisions changed by a texture unit beyond a unit of no concept in its layer (share)"
    row = compared(title, *contrasts, n, 1, evidence, architecture, test=both(*tests), strata=groups)
    spans = [interval(resampled(c, len(g), evidence.count, architecture, strata=g)) for c, g in zip(contrasts, groups, strict=True)]
    answer = "undecided" if np.isfinite(spans).all() else "not measured"
    if min(sizes) >= evidence.study["statistics"]["fewest"]:
        answer = "supported" if min(low for low, _ in spans) > 0 else answer
        answer = "contradicted" if min(high for _, high in spans) < 0 else answer
    yield replace(row, verdict=answer, leaning=-1.0 if answer == "contradicted" else 1.0)


def contrast_in_layers(values: np.ndarray, named: np.ndarray, layers: np.ndarray):
    """Mean of ``values`` [n] of named units minus that of the other units of the same layer, averaged over the named units.

    A statistic of resampling weights that leave units of both kinds in every layer.
    """
    kinds = [(np.flatnonzero((layers == layer) & named), np.flatnonzero((layers == layer) & ~named)) for layer in np.unique(layers)]

    def statistic(weights: np.ndarray) -> np.ndarray:
        total = 0
        for own, others in kinds:
            mean_of_others = weights[:, others] @ values[others] / weights[:, others].sum(1)
            total = total + weights[:, own] @ values[own] - weights[:, own].sum(1) * mean_of_others
        return total / weights[:, named].sum(1)

    return statistic
