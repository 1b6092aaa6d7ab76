"""What all figures share (colours, axes, saving) and the figures on behaviour: accuracy, shape bias, ablation, training.

Figures read tables and compute nothing. One colour and one marker for S, one for R, in every figure. Two families of colours,
for S and R and for concept categories, are told apart by colour-blind readers too; no statement rests on colour alone.
"""

import math
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from robustlens.report.results import GROUPS, Panel, Results, stimulus_label

INK, MUTED, GRID, FAINT = "#1b1f24", "#56606b", "#dde1e6", "#c9ced4"  # the page redraws these four in its own colours
ON_LIGHT, ON_DARK = "#16181b", "#fefefe"  # text inside coloured areas: the same in light and dark
COLOURS = {"standard": "#0072b2", "robust": "#d55e00", "single": "#6a4c93", "initial": "#7d8791", "control": "#7d8791"}
MARKERS = {"standard": "o", "robust": "D", "single": "s", "initial": "|", "control": "s"}
ROLES = {"standard": "S, standard", "robust": "R, robust", "single": "network", "initial": "before training"}
CATEGORIES = {
    "color": "#aa4499",
    "texture": "#dd9ec4",
    "material": "#ddcc77",
    "part": "#6fc2a8",
    "object": "#117755",
    "scene": "#999933",
    "none": FAINT,
}
CUES = {"shape": CATEGORIES["object"], "texture": CATEGORIES["texture"], "neither": FAINT}
WIDTH = 7.2  # inches: a text column of the page
STYLE = {
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "figure.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.handletextpad": 0.4,
    "legend.columnspacing": 1.4,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "robustlens",
    "pdf.fonttype": 42,
}


class LeftOut(Exception):
    """A figure that this study has no data for; the message is the reason, a clause for the reader."""


def styled(draw: Callable) -> Callable:
    """Run a drawing function in the house style, whatever matplotlib was set to before."""

    @wraps(draw)
    def inside(*arguments, **options):
        with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE, "backend": "agg"}):
            return draw(*arguments, **options)

    return inside


@styled
def save_figure(figure: Figure, stem: Path) -> list[str]:
    """Write ``<stem>.svg`` and ``<stem>.pdf``, equal bytes for equal figures; returns the two file names."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # the layout is found: not once more for each file
    figure.savefig(stem.with_name(f"{stem.name}.svg"), metadata={"Date": None, "Creator": None})
    figure.savefig(stem.with_name(f"{stem.name}.pdf"), metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return [f"{stem.name}.svg", f"{stem.name}.pdf"]


def panel_grid(n: int, height: float, *, per_row: int = 3, head: float = 0.75, **options) -> tuple[Figure, list[Axes]]:
    """A figure of ``n`` axes, at most ``per_row`` in a row, each ``height`` inches tall; ``head``: inches for legend and labels."""
    columns = min(n, per_row)
    rows = math.ceil(n / columns)
    width = WIDTH if columns > 1 else 0.62 * WIDTH
    figure = Figure(figsize=(width, rows * height + head), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options).ravel()
    for axis in axes[n:]:
        axis.set_axis_off()
    return figure, list(axes[:n])


def role_legend(figure: Figure, roles: list[str], extra: tuple = ()) -> None:
    """One legend above all panels, with the roles that are drawn."""
    handles = [
        Line2D([], [], color=COLOURS[role], marker=MARKERS[role], linestyle="none", markersize=5, label=ROLES[role])
        for role in ROLES
        if role in roles and role != "single"
    ]
    handles += extra
    if handles:
        figure.legend(handles=handles, loc="outside upper left", ncols=min(len(handles), 8), borderaxespad=0.1)


def roles_of(panels: list[Panel]) -> list[str]:
    return [role for panel in panels for role in panel.members]


def panels_with(results: Results, models: pd.Series, why: str) -> list[Panel]:
    """The panels of which some model is among ``models``; raises LeftOut where there are none."""
    known = set(models)
    panels = [panel for panel in results.panels() if known & set(panel.members.values())]
    if not panels:
        raise LeftOut(why)
    return panels


def whiskers(axis: Axes, rows: pd.DataFrame, value: str, along: list[float], role: str, *, vertical: bool = False, **style) -> None:
    """Points of one role with their intervals: ``value`` on the x axis (on the y axis if ``vertical``), places ``along``."""
    spread = [(rows[value] - rows["low"]).clip(lower=0), (rows["high"] - rows[value]).clip(lower=0)]
    place = (along, rows[value]) if vertical else (rows[value], along)
    error = {"yerr" if vertical else "xerr": spread}
    style = {"linestyle": "none", "marker": MARKERS[role], "color": COLOURS[role], "elinewidth": 1.2, "zorder": 3, **style}
    axis.errorbar(*place, **error, **style)


def percent_axis(axis, *, top: float = 1.0) -> None:
    """Ticks of a share as per cent; ``axis`` is an XAxis or YAxis."""
    axis.set_major_formatter(lambda value, _: f"{100 * value:.3g}")
    if top == 1.0:
        axis.set_ticks([0, 0.25, 0.5, 0.75, 1])


# ----------------------------------------------------------------------------------------------------------------- behaviour
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
        if results.chance():
            for place in places.values():
                axis.plot([results.chance()] * 2, [place - 0.5, place + 0.5], color=MUTED, linestyle=(0, (2, 2)), linewidth=0.9, zorder=1)
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
    chance = Line2D([], [], color=MUTED, linestyle=(0, (2, 2)), linewidth=0.9, label="guessing")
    role_legend(figure, roles_of(panels), (chance,) if results.chance() else ())
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
    entries = [  # (label, role, model, what it should read)
        (f"{panel.label} {role[0].upper()}" if len(panel.members) == 2 else panel.label, role, model, None)
        for panel in results.panels()
        for role, model in panel.members.items()
        if model in table.index
    ]
    controls = [
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
    truth = Line2D([], [], color=INK, marker="|", markersize=9, markeredgewidth=2.2, linestyle="none", label="what a control should read")
    cues = [Patch(color=colour, label=cue) for cue, colour in CUES.items()]
    role_legend(figure, [role for _, role, *_ in entries], (*([truth] if controls else []), *cues))
    return figure


def stack(axis: Axes, place: float, shares: dict[str, float], colours: dict[str, str], *, height: float) -> None:
    """One horizontal bar of shares, each named by its colour and, where there is room, by its per cent."""
    start = 0.0
    for name, share in shares.items():
        axis.barh(place, share, left=start, height=height, color=colours.get(name, FAINT), linewidth=0)
        if share >= 0.12:
            ink = INK if colours.get(name, FAINT) == FAINT else (ON_DARK if name in ("color", "object", "shape") else ON_LIGHT)
            axis.text(start + share / 2, place, f"{100 * share:.0f}", ha="center", va="center", fontsize=7, color=ink)
        start += share


@styled
def draw_ablation(results: Results) -> Figure:
    """What zeroing one unit changes: shape decisions against texture decisions, one point a layer and category of units."""
    table = results.table("ablation")
    panels = panels_with(results, table["model"], "no unit was ablated: the study names no cue-conflict images or dissects nothing")
    figure, axes = panel_grid(len(panels), 2.15, head=0.8, sharex=True, sharey=True)
    marks = dict(zip(CATEGORIES, ("p", "s", "h", "^", "o", "v", "x"), strict=True))
    shown = table[table["model"].isin([model for panel in panels for model in panel.members.values()])]
    top = max(1e-3, shown[["shape_rate", "texture_rate"]].max().max() * 1.12)
    for axis, panel in zip(axes, panels, strict=True):
        axis.set_title(panel.label)
        axis.plot([0, top], [0, top], color=MUTED, linestyle=(0, (2, 2)), linewidth=0.9, zorder=1)
        for role, model in panel.members.items():
            for category, rows in table[table["model"] == model].groupby("category", sort=False):
                size = 9 + 70 * rows["n_units"] / max(1, table["n_units"].max())
                colour = {"color": COLOURS[role]} if category == "none" else {"facecolor": COLOURS[role], "edgecolor": "none"}
                axis.scatter(rows["texture_rate"], rows["shape_rate"], s=size, marker=marks.get(category, "o"), alpha=0.75, **colour)
        for side in (axis.xaxis, axis.yaxis):
            side.set_major_locator(matplotlib.ticker.MaxNLocator(4))
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
    """Accuracy and loss on the images trained on, by epoch; for R these are adversarial images."""
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
        for number, (role, model) in enumerate(members):
            rows = table[table["model"] == model]
            line = {"color": COLOURS[role], "marker": MARKERS[role], "markersize": 3.5, "linestyle": "--" if role == "control" and number else "-"}
            upper.plot(rows["epoch"], rows["accuracy"], **line)
            lower.plot(rows["epoch"], rows["loss"], **line)
            if role == "control":
                names = [name for name, of in controls.items() if of == model]
                upper.annotate(names[0], (rows["epoch"].iloc[-1], 0.06 + 0.12 * number), ha="right", fontsize=7, color=MUTED)
        upper.set_ylim(0, 1.03)
        percent_axis(upper.yaxis)
        lower.set_xlabel("epoch")
        lower.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True, nbins=6))
        for axis in (upper, lower):
            axis.grid(axis="y")
    axes[1, 0].set_ylim(bottom=0)
    axes[0, 0].set_ylabel("accuracy, %")
    axes[1, 0].set_ylabel("loss, nats")
    role_legend(figure, roles_of(panels))
    return figure
