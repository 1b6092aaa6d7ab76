"""What all figures share: colours, markers, axes, legends, saving.

Figures read tables and compute nothing. One colour and one marker for S, one for R, in every figure. Two families of colours,
for S and R and for concept categories, are told apart by colour-blind readers too; no statement rests on colour alone.
"""

import math
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from robustlens.files import replacing
from robustlens.report.palette import COLOURS, FAINT, GRID, INK, MARKERS, MUTED, ON_DARK, ON_LIGHT, ROLES
from robustlens.report.results import Panel, Results

WIDTH = 7.2  # inches: a text column of the page
STYLE: dict[Any, Any] = {
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
    "text.parse_math": False,  # names of classes and concepts are text, dollar signs and all
    "svg.fonttype": "none",
    "svg.hashsalt": "robustlens",
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
    if any(axis.get_aspect() != "auto" for axis in figure.axes):
        figure.draw_without_rendering()  # axes of a fixed shape settle in the second pass
    figure.set_layout_engine("none")  # the layout is found: not once more for each file
    unsaid = {"svg": ("Date", "Creator"), "pdf": ("CreationDate", "Creator", "Producer")}
    for kind, keys in unsaid.items():
        with replacing(stem.with_name(f"{stem.name}.{kind}")) as temporary:
            figure.savefig(temporary, format=kind, metadata=dict.fromkeys(keys))
    return [f"{stem.name}.{kind}" for kind in unsaid]


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
        most = 8 if figure.get_figwidth() > 0.8 * WIDTH else 4
        figure.legend(handles=handles, loc="outside upper left", ncols=min(len(handles), most), borderaxespad=0.1)


def roles_of(panels: list[Panel]) -> list[str]:
    return [role for panel in panels for role in panel.members]


def panels_with(results: Results, models: pd.Series, why: str) -> list[Panel]:
    """The panels of which some model is among ``models``; raises LeftOut where there are none."""
    known = set(models)
    panels = [panel for panel in results.panels() if known & set(panel.members.values())]
    if not panels:
        raise LeftOut(why)
    return panels


def whiskers(axis: Axes, rows: pd.DataFrame, value: str, along: Sequence[float], role: str, *, vertical: bool = False, **style) -> None:
    """Points of one role with their intervals: ``value`` on the x axis (on the y axis if ``vertical``), places ``along``."""
    spread = [(rows[value] - rows["low"]).clip(lower=0), (rows["high"] - rows[value]).clip(lower=0)]
    x, y = (along, rows[value]) if vertical else (rows[value], along)
    style = {"linestyle": "none", "marker": MARKERS[role], "color": COLOURS[role], "elinewidth": 1.2, "zorder": 3, **style}
    style["yerr" if vertical else "xerr"] = spread
    axis.errorbar(x, y, **style)


def percent_axis(axis, *, top: float = 1.0) -> None:
    """Ticks of a share as per cent; ``axis`` is an XAxis or YAxis."""
    axis.set_major_formatter(lambda value, _: f"{100 * value:.3g}")
    if top == 1.0:
        axis.set_ticks([0, 0.25, 0.5, 0.75, 1])


def stack(axis: Axes, place: float, shares: dict[str, float], colours: dict[str, str], *, height: float) -> None:
    """One horizontal bar of shares, each named by its colour and, where there is room, by its per cent."""
    start = 0.0
    for name, share in shares.items():
        axis.barh(place, share, left=start, height=height, color=colours.get(name, FAINT), linewidth=0)
        if share >= 0.12:
            ink = INK if colours.get(name, FAINT) == FAINT else (ON_DARK if name in ("color", "object", "shape") else ON_LIGHT)
            axis.text(start + share / 2, place, f"{100 * share:.0f}", ha="center", va="center", fontsize=7, color=ink)
        start += share
