"""The figures on behaviour: accuracy, shape bias, what units are needed for, training."""

from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from robustlens.report.figures import WIDTH, LeftOut, panel_grid, panels_with, percent_axis, role_legend, roles_of, stack, styled, whiskers
from robustlens.report.palette import CATEGORIES, COLOURS, CUES, FAINT, GRID, INK, MARKERS, MUTED
from robustlens.report.results import GROUPS, Results, stimulus_label

HELD_OUT = {"clean_accuracy": ((0, (5, 2)), "images held out"), "robust_accuracy": ((0, (1, 1.5)), "the same, attacked")}
MOST_CLASSES = 40  # rows that can be read
STRETCH = (lambda share: np.sqrt(np.clip(share, 0, None)), np.square)  # an axis of shares of which most are small


@styled
def draw_accuracy(results: Results) -> Figure:
    """Accuracy of S and R on every stimulus, grouped by the cue that it keeps, with 95 % intervals and the chance level."""
    table = results.table("accuracy")
    panels = panels_with(results, table["model"], "no predictions were made")
    lines: list[tuple[str, str | None]] = []  # (label, stimulus or None for a heading), from top to bottom
    for group, title in GROUPS.items():
        stimuli = results.stimuli(group)
        lines += [(title, None)] * bool(stimuli) + [(stimulus_label(results.study, name), name) for name in stimuli]
    places = {name: -place for place, (_, name) in enumerate(lines) if name}
    figure, axes = panel_grid(len(panels), 0.19 * len(lines) + 0.35, sharex=True, sharey=True)
    for number, (axis, panel) in enumerate(zip(axes, panels, strict=True)):
        axis.set_title(panel.label)
        axis.grid(axis="x")
        if chance := results.chance():
            for place in places.values():
                axis.plot([chance] * 2, [place - 0.5, place + 0.5], color=MUTED, linestyle=(0, (2, 2)), linewidth=0.9, zorder=1)
        for place, (title, name) in enumerate(lines):
            if name is None and number % 3 == 0:
                axis.text(0, -place, title, va="center", fontsize=7.8, fontstyle="italic", color=MUTED)
        found = {role: _ordered(table[table["model"] == model], places) for role, model in panel.members.items()}
        if len(found) == 2:
            both = found["standard"].merge(found["robust"], on="stimulus", suffixes=("_s", "_r"))
            heights = [places[name] for name in both["stimulus"]]
            axis.hlines(heights, both["top1_s"], both["top1_r"], color=FAINT, linewidth=2.2, zorder=2)
        for role, rows in found.items():
            whiskers(axis, rows, "top1", [places[name] for name in rows["stimulus"]], role)
        percent_axis(axis.xaxis)
        axis.set(xlim=(-0.02, 1.02), xlabel="images recognised, %")
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
    axes[0].set_yticks(list(places.values()), [label for label, name in lines if name])
    axes[0].set_ylim(0.7 - len(lines), 0.6)
    guessing = Line2D([], [], color=MUTED, linestyle=(0, (2, 2)), linewidth=0.9, label="guessing")
    role_legend(figure, roles_of(panels), (guessing,) if results.chance() else ())
    return figure


def _ordered(rows: pd.DataFrame, places: dict[str, int]) -> pd.DataFrame:
    """One row a stimulus that has a place."""
    return rows[rows["stimulus"].isin(places)].drop_duplicates("stimulus")


@styled
def draw_shape_bias(results: Results) -> Figure:
    """Left: share of the decided cue-conflict images that are decided by shape. Right: all of them by decision. Controls below."""
    table = results.table("shape_bias").set_index("model")
    if table.empty:
        raise LeftOut("the study has no cue-conflict images")
    entries: list[tuple[str, str, str, float | None]] = [  # (label, role, model, what it should read)
        (f"{panel.label} {role[0].upper()}" if len(panel.members) == 2 else panel.label, role, model, None)
        for panel in results.panels()
        for role, model in panel.members.items()
        if model in table.index
    ]
    controls: list[tuple[str, str, str, float | None]] = [
        (f"trained on {control['truth']} only", "control", control["model"], float(control["truth"] == "shape"))
        for control in results.controls().values()
        if control["model"] in table.index
    ]
    places = [*range(len(entries)), *(len(entries) + 0.9 + number for number in range(len(controls)))]
    figure = Figure(figsize=(WIDTH, 0.25 * (len(places) + 1) + 1.05), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for (_, role, model, truth), place in zip(entries + controls, places, strict=True):
        row = table.loc[[model]]
        if truth is not None:
            left.plot([truth], [place], marker="|", markersize=13, markeredgewidth=2.2, color=INK, zorder=2)
        if row["n_decided"].iloc[0] >= results.fewest:
            whiskers(left, row, "shape_bias", [place], role, markersize=5.5)
        shares = {"shape": row["shape"].iloc[0], "texture": row["texture"].iloc[0]}
        stack(right, place, {**shares, "neither": max(0.0, 1 - sum(shares.values()))}, CUES, height=0.66)
    if controls:
        left.axhline(len(entries) - 0.05, color=GRID, linewidth=0.8)
        right.axhline(len(entries) - 0.05, color=GRID, linewidth=0.8)
    left.axvline(0.5, color=MUTED, linestyle=(0, (2, 2)), linewidth=0.9, zorder=1)
    left.set_yticks(places, [label for label, *_ in entries + controls])
    left.set(xlim=(-0.03, 1.03), ylim=(places[-1] + 0.6, -0.6), xlabel="shape bias, %")
    left.set_title("Of the images decided by a cue")
    right.set_title("Of all cue-conflict images")
    right.set(xlim=(0, 1), xlabel="decided as, %")
    for axis in (left, right):
        percent_axis(axis.xaxis)
        axis.tick_params(axis="y", length=0)
    left.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0\ntexture", "25", "50", "75", "100\nshape"])
    right.spines["left"].set_visible(False)
    target = Line2D([], [], color=INK, marker="|", markersize=9, markeredgewidth=2.2, linestyle="none", label="what a control should read")
    cues = [Patch(color=colour, label=cue) for cue, colour in CUES.items()]
    role_legend(figure, [role for _, role, *_ in entries], (*([target] if controls else []), *cues))
    return figure


@styled
def draw_class_bias(results: Results) -> Figure:
    """Shape bias of S and R by class of the shape, one row a class, one panel a pair; the lines are the bias over all images.

    A network with fewer than ``statistics.fewest`` decided images has no line.
    """
    table, overall = results.table("shape_bias_by_class"), results.table("shape_bias").set_index("model")
    panels = panels_with(results, table["model"], "the study has no cue-conflict images")
    classes = sorted(table["class"].unique())
    if len(classes) > MOST_CLASSES:
        raise LeftOut(f"the shapes are of {len(classes):,} classes, too many for a row each ({MOST_CLASSES} at most)")
    names = dict(enumerate(results.conflict_classes()))
    places = {number: place for place, number in enumerate(classes)}
    figure, axes = panel_grid(len(panels), 0.19 * len(classes) + 0.45, sharex=True, sharey=True)
    for axis, panel in zip(axes, panels, strict=True):
        axis.set_title(panel.label)
        axis.grid(axis="y")
        for number, (role, model) in enumerate(panel.members.items()):
            if model in overall.index and overall.loc[model, "n_decided"] >= results.fewest:
                axis.axvline(
                    overall.loc[model, "shape_bias"], color=COLOURS[role], linewidth=1.2, linestyle=("-", (0, (5, 2)))[number], zorder=2
                )
                axis.axvspan(*overall.loc[model, ["low", "high"]], color=COLOURS[role], alpha=0.15, linewidth=0, zorder=1)
            rows = table[(table["model"] == model) & table["shape_bias"].notna()]
            whiskers(axis, rows, "shape_bias", [places[number] for number in rows["class"]], role)
        axis.set(xlim=(-0.03, 1.03), xlabel="shape bias, %")
        axis.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0\ntexture", "25", "50", "75", "100\nshape"])
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
    axes[0].set_yticks(list(places.values()), [names.get(number, f"class {number}") for number in classes])
    axes[0].set_ylim(len(classes) - 0.4, -0.6)
    role_legend(figure, roles_of(panels))
    return figure


@styled
def draw_ablation(results: Results) -> Figure:
    """What zeroing one unit changes: shape decisions against texture decisions, one point a layer and category of units."""
    table = results.table("ablation")
    panels = panels_with(results, table["model"], "no unit was ablated: the study names no cue-conflict images or dissects nothing")
    figure, axes = panel_grid(len(panels), 2.2, head=0.75, sharex=True, sharey=True)
    marks = dict(zip(CATEGORIES, ("p", "s", "h", "^", "o", "v", "x"), strict=True))
    shown = table[table["model"].isin([model for panel in panels for model in panel.members.values()])]
    top = max(1e-3, shown[["shape_rate", "texture_rate"]].max().max() * 1.12)
    for axis, panel in zip(axes, panels, strict=True):
        axis.set_title(panel.label)
        axis.plot([0, top], [0, top], color=MUTED, linestyle=(0, (2, 2)), linewidth=0.9, zorder=1)
        for role, model in panel.members.items():
            for category, rows in table[table["model"] == model].groupby("category", sort=False):
                size = 9 + 70 * rows["n_units"] / max(1, table["n_units"].max())
                colour: dict[str, Any] = (
                    {"color": COLOURS[role]} if category == "none" else {"facecolor": COLOURS[role], "edgecolor": "none"}
                )
                axis.scatter(rows["texture_rate"], rows["shape_rate"], s=size, marker=marks.get(category, "o"), alpha=0.75, **colour)
        axis.set_xscale("function", functions=STRETCH)
        axis.set_yscale("function", functions=STRETCH)
        for side in (axis.xaxis, axis.yaxis):
            side.set_major_locator(matplotlib.ticker.FixedLocator([0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.7, 1]))
            side.set_major_formatter(lambda value, _: f"{100 * value:g}")
        axis.set(xlim=(0, top), ylim=(0, top), xlabel="texture decisions changed, %", aspect="equal")
    axes[0].set_ylabel("shape decisions changed, %")
    units = [
        Line2D([], [], color=MUTED, marker=marks[name], linestyle="none", label=name if name != "none" else "no concept")
        for name in CATEGORIES
        if name in set(shown["category"])
    ]
    role_legend(figure, roles_of(panels), tuple(units))
    return figure


@styled
def draw_training(results: Results) -> Figure:
    """Accuracy and loss on the images trained on, by epoch; for R these are adversarial images. Accuracy on images held out, if any."""
    table = results.table("training")
    panels = [panel for panel in results.panels() if set(panel.members.values()) & set(table["model"])]
    controls = {name: control["model"] for name, control in results.controls().items() if control["model"] in set(table["model"])}
    columns = len(panels) + bool(controls)
    if not columns:
        raise LeftOut("the study trains no network")
    figure = Figure(figsize=(max(0.5, min(1, columns / 4)) * WIDTH, 3.5), layout="constrained")
    axes = figure.subplots(2, columns, sharex="col", sharey="row", squeeze=False)
    for column in range(columns):
        upper, lower = axes[:, column]
        members = list(panels[column].members.items()) if column < len(panels) else [("control", m) for m in controls.values()]
        upper.set_title(panels[column].label if column < len(panels) else "controls")
        names = {control: name for name, control in controls.items()}
        for number, (role, model) in enumerate(members):
            rows = table[table["model"] == model]
            line = {"color": COLOURS[role], "marker": MARKERS[role], "markersize": 3.5}
            line |= {"linestyle": ("-", "--", ":")[number % 3], "label": names[model]} if role == "control" else {}
            upper.plot(rows["epoch"], rows["accuracy"], **line)
            lower.plot(rows["epoch"], rows["loss"], **line)
            for name, (style, _) in HELD_OUT.items():
                upper.plot(rows["epoch"], rows[name], color=COLOURS[role], linestyle=style, linewidth=1.2)
        if column == len(panels):
            upper.legend(fontsize=7, loc="lower right", handlelength=2.6)
        upper.set_ylim(0, 1.03)
        percent_axis(upper.yaxis)
        lower.set_xlabel("epoch")
        lower.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True, nbins=6))
        for axis in (upper, lower):
            axis.grid(axis="y")
    axes[1, 0].set_ylim(bottom=0)
    axes[0, 0].set_ylabel("accuracy, %")
    axes[1, 0].set_ylabel("loss, nats")
    seen = [(style, label) for name, (style, label) in HELD_OUT.items() if table[name].notna().any()]
    role_legend(figure, roles_of(panels), tuple(Line2D([], [], color=MUTED, linestyle=style, label=label) for style, label in seen))
    return figure
