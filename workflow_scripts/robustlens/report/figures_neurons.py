"""The figures on the inside of the networks: filters by layer, noise, dissection, concepts and complexity of units."""

import math
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from robustlens.report.figures import WIDTH, LeftOut, panel_grid, panels_with, percent_axis, role_legend, roles_of, stack, styled, whiskers
from robustlens.report.palette import CATEGORIES, COLOURS, FAINT, INK, MARKERS, MUTED
from robustlens.report.results import Results, layers_of

CHANGES = 5  # concepts shown that R gains, and that it loses
MOST_LAYERS = 18  # more layer names than this no longer fit under each other


@styled
def draw_filter_variation(results: Results) -> Figure:
    """Total variation of the filters of every convolution, scaled to norm 1: S, R and the same networks before training."""
    table = results.table("total_variation")
    trained = table[(table["statistic"] == "filter-unit-norm") & (table["mean"] > 0)]  # 1x1 kernels have no differences
    initial = table[(table["statistic"] == "filter-unit-norm-initial") & (table["mean"] > 0)]
    panels = panels_with(results, trained["model"], "no filters were measured")
    layers = {panel.name: layers_of(trained, panel) for panel in panels}
    tallest = min(max(map(len, layers.values())), MOST_LAYERS + 10)
    figure, axes = panel_grid(len(panels), 0.2 * tallest + 0.55, sharex=True)
    for axis, panel in zip(axes, panels, strict=True):
        for model in dict.fromkeys(panel.members.values()):
            rows = initial[initial["model"] == model]
            style: dict[str, Any] = {"markersize": 8, "markeredgewidth": 1.4, "zorder": 2, "elinewidth": 0}
            whiskers(axis, rows, "mean", places_of(rows, layers[panel.name]), "initial", **style)
        for role, model in panel.members.items():
            rows = trained[trained["model"] == model]
            whiskers(axis, rows, "mean", places_of(rows, layers[panel.name]), role)
        layer_axis(axis, layers[panel.name])
        axis.set_title(panel.label)
        axis.set_xlim(left=0)
        axis.set_xlabel("total variation of filters\n(norm 1; no unit)")
        axis.grid(axis="x")
    role_legend(figure, roles_of(panels) + ["initial"] * bool(len(initial)))
    return figure


@styled
def draw_noise_maps(results: Results, smoothness: pd.DataFrame) -> Figure:
    """Every unit of the first layer: total variation of its map on noisy against clean images; on the diagonal, noise changes nothing."""
    if smoothness.empty:
        raise LeftOut("no activations on clean and noisy images were measured")
    panels = panels_with(results, smoothness["model"], "no activations on clean and noisy images were measured")
    figure, axes = panel_grid(len(panels), 2.15, head=0.65)
    for axis, panel in zip(axes, panels, strict=True):
        drawn = []
        for role, model in panel.members.items():
            rows = first_layer(smoothness[smoothness["model"] == model])
            rows = rows[(rows["tv_clean"] > 0) & (rows["tv_noisy"] > 0)]
            edge: dict[str, Any] = {"edgecolor": "none", "alpha": 0.8, "zorder": 3}
            axis.scatter(rows["tv_clean"], rows["tv_noisy"], s=16, marker=MARKERS[role], color=COLOURS[role], **edge)
            drawn.append(rows[["tv_clean", "tv_noisy"]])
        values = pd.concat(drawn).to_numpy()
        low, high = (values.min() / 1.25, values.max() * 1.25) if values.size else (0.1, 1)
        axis.plot([low, high], [low, high], color=MUTED, linestyle=(0, (2, 2)), linewidth=0.9, zorder=1)
        axis.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
        for side in (axis.xaxis, axis.yaxis):
            side.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5), numticks=6))
            side.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
            side.set_minor_locator(matplotlib.ticker.NullLocator())
        axis.text(0.05, 0.95, "noise adds\nvariation", transform=axis.transAxes, va="top", fontsize=7, color=MUTED)
        axis.set_title(f"{panel.label}, {first_layer(smoothness[smoothness['model'].isin(panel.members.values())])['layer'].iloc[0]}")
        axis.set_xlabel("map variation, clean images")
    axes[0].set_ylabel("map variation, noisy images\n(units of activation)")
    role_legend(figure, roles_of(panels))
    return figure


@styled
def draw_noise_change(results: Results) -> Figure:
    """How much of each layer's activations pixel noise changes, from the first layer to the last."""
    return layer_lines(
        results, "relative-change", "change of activations by noise, %", "no activations on clean and noisy images were measured"
    )


def layer_lines(results: Results, statistic: str, label: str, why: str) -> Figure:
    """Lines over the layers of a share-valued statistic of total_variation.csv."""
    table = results.table("total_variation")
    table = table[table["statistic"] == statistic]
    panels = panels_with(results, table["model"], why)
    figure, axes = panel_grid(len(panels), 2.2, head=0.75, sharey=True)
    for axis, panel in zip(axes, panels, strict=True):
        layers = layers_of(table, panel)
        for role, model in panel.members.items():
            rows = table[table["model"] == model]
            whiskers(axis, rows, "mean", places_of(rows, layers), role, vertical=True, linestyle="-")
        across(axis, layers)
        axis.set_title(panel.label)
        axis.grid(axis="y")
        percent_axis(axis.yaxis, top=math.inf)
    axes[0].set_ylabel(label)
    axes[0].set_ylim(bottom=0)  # after all are drawn: the axis is shared
    role_legend(figure, roles_of(panels))
    return figure


@styled
def draw_dissection(results: Results) -> Figure:
    """Of the units of each layer, the shares that match a colour, a texture, a part, an object ... or nothing well enough."""
    dissection = results.table("dissection")
    panels = panels_with(results, dissection["model"], "the study has no concept-labelled images")
    layers = {panel.name: layers_of(dissection, panel) for panel in panels}
    per_row = 3 if len(panels) > 2 else 2
    tallest = max(len(names) for names in layers.values())
    roles = max(len(panel.members) for panel in panels)
    figure, axes = panel_grid(len(panels), (0.2 * roles + 0.1) * tallest + 0.5, per_row=per_row, head=0.7, sharex=True)
    for axis, panel in zip(axes, panels, strict=True):
        ticks = []
        for place, layer in enumerate(layers[panel.name]):
            for number, (role, model) in enumerate(panel.members.items()):
                rows = dissection[(dissection["model"] == model) & (dissection["layer"] == layer)]
                if rows.empty:
                    continue
                shares = rows.set_index("category")["share"].to_dict()
                known = {name: shares[name] for name in CATEGORIES if name in shares}
                height = place * (roles + 0.5) + number
                stack(axis, height, known, CATEGORIES, height=0.86)
                ticks.append(
                    (height, f"{layer} {role[0].upper()}" if number == 0 and roles > 1 else (role[0].upper() if roles > 1 else layer), role)
                )
        axis.set_yticks([place for place, *_ in ticks], [name for _, name, _ in ticks])
        for label, (_, _, role) in zip(axis.get_yticklabels(), ticks, strict=True):
            label.set_color(COLOURS[role] if role != "single" else INK)
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
        axis.set(xlim=(0, 1), xlabel="units of the layer, %")
        axis.set_ylim((roles + 0.5) * (len(layers[panel.name]) - 1) + roles - 0.3, -0.7)
        percent_axis(axis.xaxis)
        axis.set_title(panel.label)
    found = set(dissection[dissection["share"] > 0]["category"])
    patches = [Patch(color=colour, label=name if name != "none" else "no concept") for name, colour in CATEGORIES.items() if name in found]
    role_legend(figure, [], tuple(patches))
    return figure


@styled
def draw_concept_shift(results: Results, concept_set: str | None) -> Figure:
    """The concepts of a set that most units more, and most units fewer, stand for in R than in S."""
    shift = results.table("concept_shift")
    shift = shift[shift["concept_set"] == concept_set]
    pairs = [panel for panel in results.panels() if panel.name in set(shift["pair"]) and len(panel.members) == 2]
    if not pairs:
        raise LeftOut("it compares the two networks of a pair on concept-labelled images, and the study has no such pair")
    figure, axes = panel_grid(len(pairs), 0.19 * 2 * CHANGES + 0.45, head=0.5)
    for axis, panel in zip(axes, pairs, strict=True):
        rows = shift[shift["pair"] == panel.name].sort_values(["difference", "name"], ascending=[False, True])
        rises, falls = rows[rows["difference"] > 0].head(CHANGES), rows[rows["difference"] < 0].tail(CHANGES)
        shown = pd.concat([rises, falls])
        colours = [COLOURS["robust" if change > 0 else "standard"] for change in shown["difference"]]
        axis.barh(range(len(shown)), shown["difference"], color=colours, height=0.72)
        reach = max(1, shown["difference"].abs().max() if len(shown) else 1)
        for place, row in enumerate(shown.itertuples()):
            text, side = f"{row.standard} → {row.robust}", "right" if row.difference > 0 else "left"
            axis.text(math.copysign(0.06 * reach, -row.difference), place, text, ha=side, va="center", fontsize=6.8, color=MUTED)
        axis.set_yticks(range(len(shown)), [f"{row.name} ({row.category})" for row in shown.itertuples(index=False)], fontsize=7)
        axis.axvline(0, color=MUTED, linewidth=0.8)
        axis.set(xlim=(-1.1 * reach, 1.1 * reach), ylim=(max(0.5, len(shown) - 0.4), -0.6))
        axis.set_xlabel("units, R minus S")
        axis.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True, nbins=5))
        axis.set_title(panel.label)
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
    role_legend(
        figure, [], (Patch(color=COLOURS["robust"], label="more units in R"), Patch(color=COLOURS["standard"], label="more units in S"))
    )
    return figure


@styled
def draw_complexity(results: Results) -> Figure:
    """Concepts per unit: by layer, and how many units have so many, at the study's threshold; in the last layer, over the threshold."""
    complexity = results.table("complexity")
    panels = panels_with(results, complexity["model"], "the study has no concept-labelled images")[:6]
    threshold = results.complexity_threshold()
    figure = Figure(figsize=(WIDTH if len(panels) > 1 else 0.55 * WIDTH, 6.4), layout="constrained")
    axes = figure.subplots(3, len(panels), squeeze=False, sharey="row")
    distribution = results.table("complexity_distribution")
    for (upper, middle, lower), panel in zip(axes.T, panels, strict=True):
        layers = layers_of(complexity, panel)
        for role, model in panel.members.items():
            rows = complexity[complexity["model"] == model]
            level = rows[rows["threshold"] == threshold]
            whiskers(upper, level, "mean", places_of(level, layers), role, vertical=True, linestyle="-")
            shares = distribution[(distribution["model"] == model) & (distribution["threshold"] == threshold)]
            middle.plot(shares["at_least"], shares["share"], color=COLOURS[role], drawstyle="steps-mid", zorder=3)
            middle.fill_between(shares["at_least"], shares["low"], shares["high"], step="mid", color=COLOURS[role], alpha=0.2, linewidth=0)
            curve = rows[rows["layer"] == layers[-1]].sort_values("threshold")
            whiskers(lower, curve, "mean", list(curve["threshold"]), role, vertical=True, linestyle="-")
        across(upper, layers)
        upper.set_title(panel.label)
        lower.axvline(threshold, color=MUTED, linestyle=(0, (2, 2)), linewidth=0.9, zorder=1)
        lower.set(xscale="log", xlabel=f"IoU threshold ({layers[-1]})")
        ticks = sorted(complexity["threshold"].unique())
        lower.set_xticks(ticks, [f"{tick:g}" for tick in ticks], rotation=45 if len(ticks) > 4 else 0)
        lower.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
        middle.set(xlabel="concepts of a unit, at least", xlim=(0, None))
        middle.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(nbins=6, integer=True))
        for axis in (upper, middle, lower):
            axis.grid(axis="y")
    for axis in axes[:, 0]:
        axis.set_ylim(bottom=0)  # after all are drawn: the axes are shared
    axes[0, 0].set_ylabel(f"concepts per unit\n(IoU ≥ {threshold:g})")
    axes[1, 0].set_ylabel(f"share of units\n(IoU ≥ {threshold:g})")
    axes[2, 0].set_ylabel("concepts per unit")
    role_legend(figure, roles_of(panels))
    return figure


# -------------------------------------------------------------------------------------------------------------------- layers
def first_layer(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["layer"] == rows["layer"].iloc[0]] if len(rows) else rows


def places_of(rows: pd.DataFrame, layers: list[str]) -> list[int]:
    return [layers.index(layer) for layer in rows["layer"]]


def layer_axis(axis: Axes, layers: list[str]) -> None:
    """Layers from top to bottom; of very many, every n-th is named."""
    step = math.ceil(len(layers) / (MOST_LAYERS + 10))
    axis.set_yticks(range(0, len(layers), step), layers[::step], fontsize=7 if len(layers) > 8 else None)
    axis.set_ylim(len(layers) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)


def across(axis: Axes, layers: list[str]) -> None:
    """Layers from left to right; of very many, every n-th is named."""
    step = math.ceil(len(layers) / 12)
    slant: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if max(map(len, layers)) * len(layers) > 24 else {}
    axis.set_xticks(range(0, len(layers), step), layers[::step], fontsize=7.5, **slant)
    axis.set_xlim(-0.35, len(layers) - 0.65)
    axis.tick_params(axis="x", color=FAINT)
