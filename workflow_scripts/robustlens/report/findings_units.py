"""What came out inside the networks, in sentences made from the numbers of this run: filters, noise, units, ablation."""

import pandas as pd

from robustlens.neurons.positions import min_positions
from robustlens.report.contrast import (
    ALIKE,
    HIGHER,
    LOWER,
    PERCENT,
    article,
    contrast,
    everywhere,
    joined,
    mixed,
    percent,
    sentence,
    span,
    status_of,
)
from robustlens.report.results import Reading, Results, layers_of

FEW = "too few"  # units in a layer


def answer_filters(results: Results) -> str:
    filters = contrast(results, results.filters)
    if not filters.rows:
        return ""
    smooth = {LOWER: "smoother", HIGHER: "rougher", ALIKE: "as smooth as those of S, within the intervals"}.get(filters.agrees() or "")
    how = f"{smooth}{everywhere(len(filters.rows))}" if smooth else mixed(filters, "rougher", "smoother")
    return (
        f"the first filters of R are {how} (total variation {filters.span(2, False)} against {filters.span(1, False)}, {filters.count()})"
    )


def find_filters(results: Results) -> list[str]:
    found = [answer_filters(results)]
    initial = contrast(results, lambda model: results.filters(model, "filter-unit-norm-initial"))
    if initial.rows:
        values = [reading.value for _, *both in initial.rows for reading in both]
        found.append(f"before training they read {span(values, False)} ({initial.count()})")
    deeper = layer_statuses(results, results.table("total_variation").query("statistic == 'filter-unit-norm'"), skip=1)
    if deeper:
        counts = [
            f"{words} in {deeper.count(status)}"
            for status, words in ((LOWER, "smoother"), (HIGHER, "rougher"), (ALIKE, "not clearly different"), (FEW, "too few"))
            if status in deeper
        ]
        found.append(f"of the {len(deeper)} later convolutions of all pairs, those of R are {joined(counts)}")
    return [sentence(text) for text in found if text] + single_filters(results)


def single_filters(results: Results) -> list[str]:
    singles = [(panel.label, results.filters(panel.members["single"])) for panel in results.panels() if "single" in panel.members]
    return [
        f"{label}: total variation of the first filters {reading.value:.3g} ({reading.low:.3g} to {reading.high:.3g}, n = {reading.n})."
        for label, reading in singles
        if reading and reading.enough
    ]


def rest(results: Results, statuses: list[str]) -> str:
    """How many of the layers have too few units, for the end of a sentence; empty for none."""
    few = statuses.count(FEW)
    return f"; {few} have fewer than {results.fewest} units in S or R" if few else ""


def layer_statuses(results: Results, table: pd.DataFrame, skip: int = 0) -> list[str]:
    """What R is against S in every layer of every pair, by the intervals of ``mean``; the first ``skip`` layers are left out.

    ``FEW`` where S or R has fewer than ``statistics.fewest`` units in it.
    """
    found = []
    for panel in results.panels():
        if len(panel.members) < 2:
            continue
        sides = [table[table["model"] == panel.members[role]].set_index("layer") for role in ("standard", "robust")]
        for layer in layers_of(table, panel)[skip:]:
            if all(layer in side.index for side in sides):
                rows = [side.loc[layer] for side in sides]
                few = min(row["n_units"] for row in rows) < results.fewest
                found.append(FEW if few else status_of(*(Reading(row["mean"], row["low"], row["high"], row["n_units"]) for row in rows)))
    return found


def find_noise(results: Results) -> list[str]:
    table = results.table("total_variation").query("statistic == 'relative-change'")
    first = contrast(results, lambda model: results.filters(model, "relative-change"))
    if not first.rows:
        return []
    statuses = layer_statuses(results, table)
    smaller, larger = statuses.count(LOWER), statuses.count(HIGHER)
    return [
        sentence(f"noise changes the first layer of S by {first.span(1)} and that of R by {first.span(2)} ({first.count()})"),
        f"The change is smaller in R in {smaller} and larger in {larger} of {len(statuses)} layers of all pairs{rest(results, statuses)}.",
    ]


def find_units(results: Results) -> list[str]:
    """What the deepest layer's units stand for, and in how many layers the shares moved."""
    table = results.table("dissection")
    found = []
    for panel in [panel for panel in results.panels() if set(panel.members.values()) <= set(table["model"])]:
        layer = layers_of(table, panel)[-1]
        said = [
            f"{most_common(results, model, layer)} of {'its units' if role == 'single' else 'the units of ' + role[0].upper()}"
            for role, model in panel.members.items()
        ]
        found.append(f"{panel.label}, {layer}: {'; '.join(said)}.")
    found += find_unnamed(results)
    moved, least = share_changes(results, table), f"of all pairs with at least {results.fewest} units"
    for words, changes in moved.items():
        if changes:
            more, fewer = sum(change > 0 for change in changes), sum(change < 0 for change in changes)
            found.append(f"The share of {words} units is higher in R in {more} and lower in {fewer} of {len(changes)} layers {least}.")
    return found


def find_unnamed(results: Results) -> list[str]:
    """The layers of which units have too few positions above their threshold for a concept to be named."""
    table = results.table("dissection_units")
    if not {"enough", "n_above"} <= set(table):
        return []
    table, least = table[table["concept_set"].isin(table["concept_set"].head(1))], min_positions(results.study)
    found: dict[str, list[str]] = {}
    for (model, layer), rows in table.groupby(["model", "layer"], sort=False):
        few = rows[rows["enough"] == 0]
        if len(few):
            found.setdefault(layer, []).append(f"{model}: {len(few)} of {len(rows)} units, at most {few['n_above'].max()} positions")
    needed = next(iter(least.values()), None)
    return [
        f"No concept is named in {layer} where fewer than {needed} positions lie above a unit's threshold ({'; '.join(who)})."
        for layer, who in found.items()
    ]


def most_common(results: Results, model: str, layer: str) -> str:
    """The largest categories of a layer in words, at most three: ``a texture 71 %, no concept 29 % (n = 32)``."""
    table = results.table("dissection")
    rows = table[(table["model"] == model) & (table["layer"] == layer) & (table["share"] > 0)]
    n = int(rows["n_units"].sum())
    if n < results.fewest:
        return f"too few (n = {n})"
    rows = rows.sort_values("share", ascending=False, kind="stable").head(3)
    return f"{', '.join(f'{article(row.category)} {percent(row.share)}{PERCENT}' for row in rows.itertuples())} (n = {n})"


def share_changes(results: Results, table: pd.DataFrame) -> dict[str, list[float]]:
    """R minus S of the shares of colour and texture, and of object and part units, of every layer of every pair.

    Layers of which S or R has fewer than ``statistics.fewest`` units are left out.
    """
    groups = {"colour and texture": ("color", "texture"), "object and part": ("object", "part")}
    sums = {words: table[table["category"].isin(kinds)].groupby(["model", "layer"])["share"].sum() for words, kinds in groups.items()}
    n_units = table.groupby(["model", "layer"])["n_units"].sum()
    found: dict[str, list[float]] = {words: [] for words in groups}
    for panel in results.panels():
        if len(panel.members) == 2:
            for layer in layers_of(table, panel):
                keys = [(panel.members[role], layer) for role in ("standard", "robust")]
                if min(n_units.get(key, 0) for key in keys) < results.fewest:
                    continue
                for words, values in sums.items():
                    found[words] += [values[keys[1]] - values[keys[0]]] * all(key in values.index for key in keys)
    return found


def find_shift(results: Results) -> list[str]:
    table, found = results.table("concept_shift"), []
    table = table[table["concept_set"].isin(table["concept_set"].head(1))]  # the first concept set
    for panel in results.panels():
        rows = table[table["pair"] == panel.name].sort_values("difference", kind="stable")
        ends = [("lost most", rows.head(1)[rows.head(1)["difference"] < 0]), ("gained most", rows.tail(1)[rows.tail(1)["difference"] > 0])]
        said = [
            f"{words}: {one['name'].iloc[0]} ({int(one['standard'].iloc[0])} → {int(one['robust'].iloc[0])} units)"
            for words, one in ends
            if len(one)
        ]
        found += [f"{panel.label}, {', '.join(said)}."] if said else []
    return found


def find_complexity(results: Results) -> list[str]:
    table = results.table("complexity")
    if table.empty:
        return []
    cut = results.complexity_threshold()
    statuses = layer_statuses(results, table[table["threshold"] == cut])
    if not statuses:
        return []
    fewer, more, alike = (statuses.count(status) for status in (LOWER, HIGHER, ALIKE))
    counts = f"in {fewer} of the {len(statuses)} layers of all pairs, to more in {more}, without clear difference in {alike}"
    return [f"At an IoU of {cut:g}, R's units respond to fewer concepts than S's {counts}{rest(results, statuses)}."]


def find_ablation(results: Results) -> list[str]:
    """The deepest layer in which both networks have texture units."""
    table = results.table("ablation")
    table = table[table["category"] == "texture"].dropna(subset=["shape_rate", "texture_rate"])
    found = []
    for panel in results.panels():
        rows = {role: table[table["model"] == model].set_index("layer") for role, model in panel.members.items()}
        if len(rows) != 2:
            continue
        layers = [layer for layer in rows["standard"].index if layer in rows["robust"].index]
        if layers:
            n = [int(rows[role].loc[layers[-1], "n_units"]) for role in ("standard", "robust")]
            if min(n) < results.fewest:
                found.append(f"{panel.label}, {layers[-1]}: too few texture units to switch off (n = {n[0]} of S, {n[1]} of R).")
                continue
            rates = [100 * rows[role].loc[layers[-1], kind] for role in ("standard", "robust") for kind in ("texture_rate", "shape_rate")]
            said = [f"{rate:.1f}{PERCENT}" for rate in rates]
            found.append(
                f"{panel.label}, {layers[-1]}: one texture unit switched off changes {said[0]} of the texture and {said[1]} of the shape "
                f"decisions of S, {said[2]} and {said[3]} of those of R (n = {n[0]} units of S, {n[1]} of R)."
            )
    return found
